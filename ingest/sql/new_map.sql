-- A table of the rows of a map's first piece; times say that they are UTC, NaN is no value.
CREATE TABLE map AS
SELECT * REPLACE (
    timestamp AT TIME ZONE 'UTC'     AS timestamp,
    nullif(price_low, 'nan')         AS price_low,
    nullif(price_high, 'nan')        AS price_high,
    nullif(active_notional, 'nan')   AS active_notional,
    nullif(consumed_notional, 'nan') AS consumed_notional
)
FROM batch;
