-- Record a schema step, in its own transaction.
INSERT INTO schema_migrations
VALUES ($version, $name, now()::TIMESTAMP);
