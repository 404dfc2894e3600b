-- The rows of a further piece.
INSERT INTO map BY NAME
SELECT * REPLACE (
    timestamp AT TIME ZONE 'UTC'     AS timestamp,
    nullif(price_low, 'nan')         AS price_low,
    nullif(price_high, 'nan')        AS price_high,
    nullif(active_notional, 'nan')   AS active_notional,
    nullif(consumed_notional, 'nan') AS consumed_notional
)
FROM batch;
