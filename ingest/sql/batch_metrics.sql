-- A file's samples as they are stored: none or 0 is a missing sample, of repeated stamps the last.
CREATE TEMP TABLE batch AS
SELECT
    $exchange                           AS exchange,
    $symbol                             AS symbol,
    make_timestamp(stamp * $micros)     AS time,
    arg_max(open_interest, row)         AS open_interest,
    arg_max_null(notional, row)         AS open_interest_notional
FROM (
    SELECT
        rowid                  AS row,
        staging.time           AS stamp,
        open_interest,
        open_interest_notional AS notional
    FROM staging
)
WHERE open_interest > 0
GROUP BY stamp;
