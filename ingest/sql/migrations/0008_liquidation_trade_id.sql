-- Tells liquidations apart that agree in all else.
ALTER TABLE liquidations ADD COLUMN trade_id BIGINT;   -- the exchange's own, NULL where it gives none
