-- Set one fact about the database.
INSERT INTO meta
VALUES ($key, $value)
ON CONFLICT DO UPDATE SET value = excluded.value;
