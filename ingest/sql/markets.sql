-- Markets with candles, and what else is stored of each.
WITH candle_counts AS (
    SELECT
        exchange,
        symbol,
        list(DISTINCT interval_seconds ORDER BY interval_seconds) AS intervals,
        min(open_time)                                            AS first,
        max(candle_stop(open_time, interval_seconds))             AS last,
        count(*)                                                  AS rows
    FROM candles
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
