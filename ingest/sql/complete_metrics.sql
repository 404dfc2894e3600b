-- Columns that a file of metrics may lack.
ALTER TABLE staging ADD COLUMN IF NOT EXISTS open_interest_notional DOUBLE;
