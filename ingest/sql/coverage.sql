-- First and last time, rows and gaps per market and kind; NULL asks for every exchange or symbol.
-- A gap is where the next row starts later than the row before it lets expect.
WITH spans AS (
    SELECT
        'candles'                                AS kind,
        exchange,
        symbol,
        interval_seconds,
        open_time                                AS start,
        candle_stop(open_time, interval_seconds) AS stop
    FROM candles
    WHERE exchange = coalesce($exchange, exchange)
      AND symbol = coalesce($symbol, symbol)
    UNION ALL
    SELECT
        'mark-candles',
        exchange,
        symbol,
        interval_seconds,
        open_time,
        candle_stop(open_time, interval_seconds)
    FROM mark_candles
    WHERE exchange = coalesce($exchange, exchange)
      AND symbol = coalesce($symbol, symbol)
    UNION ALL
    SELECT 'metrics', exchange, symbol, NULL, time, time
    FROM open_interest
    WHERE exchange = coalesce($exchange, exchange)
      AND symbol = coalesce($symbol, symbol)
    UNION ALL
    SELECT 'funding', exchange, symbol, NULL, time, time
    FROM funding_rates
    WHERE exchange = coalesce($exchange, exchange)
      AND symbol = coalesce($symbol, symbol)
),
steps AS (
    SELECT
        *,
        lag(stop) OVER market AS previous
    FROM spans
    WINDOW market AS (PARTITION BY kind, exchange, symbol, interval_seconds ORDER BY start)
),
typical AS (
    -- Samples come at a pace of their own; candles join end to start.
    SELECT
        *,
        CASE
            WHEN interval_seconds IS NULL
                THEN 1.5 * median(epoch(start - previous))
                     OVER (PARTITION BY kind, exchange, symbol)
            ELSE 0
        END AS allowed_seconds
    FROM steps
),
regular AS (
    SELECT
        kind,
        exchange,
        symbol,
        interval_seconds,
        min(start) AS first,
        max(stop)  AS last,
        count(*)   AS rows,
        list(previous ORDER BY start)
            FILTER (epoch(start - previous) > allowed_seconds) AS gap_starts,
        list(start ORDER BY start)
            FILTER (epoch(start - previous) > allowed_seconds) AS gap_stops
    FROM typical
    GROUP BY kind, exchange, symbol, interval_seconds
),
events AS (
    SELECT 'liquidations' AS kind, exchange, symbol, time
    FROM liquidations
    WHERE exchange = coalesce($exchange, exchange)
      AND symbol = coalesce($symbol, symbol)
    UNION ALL
    SELECT 'trades', exchange, symbol, time
    FROM trades
    WHERE exchange = coalesce($exchange, exchange)
      AND symbol = coalesce($symbol, symbol)
)
SELECT exchange, symbol, kind, interval_seconds, first, last, rows, gap_starts, gap_stops
FROM regular
UNION ALL
SELECT exchange, symbol, kind, NULL, min(time), max(time), count(*), NULL, NULL
FROM events
GROUP BY exchange, symbol, kind
ORDER BY symbol, exchange, kind, interval_seconds;
