-- A file's candles as they are stored.
CREATE TEMP TABLE batch AS
SELECT
    $exchange                      AS exchange,
    $symbol                        AS symbol,
    $interval_seconds::INTEGER     AS interval_seconds,
    make_timestamp(time * $micros) AS open_time,
    open,
    high,
    low,
    close,
    volume,
    quote_volume,
    taker_buy_volume
FROM staging;
