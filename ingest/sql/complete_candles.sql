-- Columns that a file of candles may lack.
ALTER TABLE staging ADD COLUMN IF NOT EXISTS quote_volume DOUBLE;
ALTER TABLE staging ADD COLUMN IF NOT EXISTS taker_buy_volume DOUBLE;
