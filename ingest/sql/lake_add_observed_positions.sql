-- Add the spans of `batch` that are not stored yet; one that was seen longer replaces the shorter.
INSERT INTO {table} BY NAME
SELECT *
FROM batch
WHERE NOT EXISTS (
    FROM {table} AS stored
    WHERE stored.exchange = $exchange
      AND stored.symbol = $symbol
      AND stored.address = batch.address
      AND stored.first_seen = batch.first_seen
      AND stored.last_seen >= batch.last_seen
)
ON CONFLICT DO UPDATE SET last_seen = excluded.last_seen;
