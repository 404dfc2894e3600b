-- A file's funding rates as they are stored.
CREATE TEMP TABLE batch AS
SELECT
    $exchange                      AS exchange,
    $symbol                        AS symbol,
    make_timestamp(time * $micros) AS time,
    funding_rate,
    interval_hours
FROM staging;
