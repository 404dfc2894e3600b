-- Markets with candles, and what else is stored of each.
WITH interval_counts AS (
    -- By interval first: counting millions then takes half as long, and live data change them often.
    SELECT
        exchange,
        symbol,
        interval_seconds,
        min(open_time)                                AS first,
        candle_stop(max(open_time), interval_seconds) AS last,
        count(*)                                      AS rows
    FROM candles
    GROUP BY exchange, symbol, interval_seconds
),
candle_counts AS (
    SELECT
        exchange,
        symbol,
        list(interval_seconds ORDER BY interval_seconds) AS intervals,
        min(first)                                       AS first,
        max(last)                                        AS last,
        sum(rows)::BIGINT                                AS rows
    FROM interval_counts
    GROUP BY exchange, symbol
),
open_interest_counts AS (
    SELECT
        exchange,
        symbol,
        min(time) AS open_interest_first,
        max(time) AS open_interest_last,
        count(*)  AS open_interest_rows
    FROM open_interest
    GROUP BY exchange, symbol
)
SELECT
    exchange,
    symbol,
    intervals,
    first,
    last,
    rows,
    open_interest_first,
    open_interest_last,
    coalesce(open_interest_rows, 0)
FROM candle_counts
LEFT JOIN open_interest_counts USING (exchange, symbol)
ORDER BY symbol, exchange;
