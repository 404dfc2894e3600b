-- What live collection adds. Times are UTC.
-- Counts the transactions that changed what maps are made of, as revision counts all.
ALTER TABLE market_revisions ADD COLUMN map_revision BIGINT DEFAULT 0;
UPDATE market_revisions SET map_revision = revision;

ALTER TABLE liquidations ADD COLUMN price_kind VARCHAR;      -- fill, bankruptcy or mark, NULL where unknown
ALTER TABLE liquidations ADD COLUMN trigger_price DOUBLE;    -- quote, at which it started, NULL where unknown
ALTER TABLE liquidations ADD COLUMN received_at TIMESTAMP;   -- NULL where it was not received live
