-- Dates as microseconds since 1970, as the other files write them.
ALTER TABLE staging ALTER COLUMN time TYPE BIGINT USING epoch_us(time);
