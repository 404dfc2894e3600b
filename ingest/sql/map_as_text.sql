-- The map for formats without a type for times: ISO 8601, UTC.
CREATE VIEW map_as_text AS
SELECT * REPLACE (strftime(timestamp AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ') AS timestamp)
FROM map;
