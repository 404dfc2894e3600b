-- A file's mark-price candles as they are stored.
CREATE TEMP TABLE batch AS
SELECT
    $exchange                      AS exchange,
    $symbol                        AS symbol,
    $interval_seconds::INTEGER     AS interval_seconds,
    make_timestamp(time * $micros) AS open_time,
    open,
    high,
    low,
    close
FROM staging;
