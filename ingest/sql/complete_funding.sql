-- Columns that a file of funding rates may lack.
ALTER TABLE staging ADD COLUMN IF NOT EXISTS interval_hours DOUBLE;
