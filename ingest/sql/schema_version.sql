-- Number of the last schema step applied.
SELECT coalesce(max(version), 0)
FROM schema_migrations;
