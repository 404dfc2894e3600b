-- First and last time, rows and gaps per market and kind; NULL asks for every exchange or symbol.
-- A gap is where the next row starts later than the row before it lets expect.
WITH bars AS (
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
),
samples AS (
    SELECT 'metrics' AS kind, exchange, symbol, time
    FROM open_interest
    WHERE exchange = coalesce($exchange, exchange)
      AND symbol = coalesce($symbol, symbol)
    UNION ALL
    SELECT 'funding', exchange, symbol, time
    FROM funding_rates
    WHERE exchange = coalesce($exchange, exchange)
      AND symbol = coalesce($symbol, symbol)
),
steps AS (
    SELECT
        *,
        lag(time) OVER market               AS previous,
        epoch(time - lag(time) OVER market) AS step
    FROM samples
    WINDOW market AS (PARTITION BY kind, exchange, symbol ORDER BY time)
),
paced AS (
    -- Samples come at a pace of their own, which is another one while they are collected live: a
    -- step is measured by the middle one of the three before it, and of the three after it.
    -- Candles join end to start.
    SELECT
        *,
        1.5 * greatest(
            list_median([
                lag(step, 1) OVER market,
                lag(step, 2) OVER market,
                lag(step, 3) OVER market
            ]),
            list_median([
                lead(step, 1) OVER market,
                lead(step, 2) OVER market,
                lead(step, 3) OVER market
            ])
        ) AS allowed_seconds
    FROM steps
    WINDOW market AS (PARTITION BY kind, exchange, symbol ORDER BY time)
),
followed AS (
    SELECT
        kind,
        exchange,
        symbol,
        interval_seconds,
        start,
        stop,
        lag(stop) OVER market AS previous,
        0                     AS allowed_seconds
    FROM bars
    WINDOW market AS (PARTITION BY kind, exchange, symbol, interval_seconds ORDER BY start)
    UNION ALL
    SELECT kind, exchange, symbol, NULL, time, time, previous, allowed_seconds
    FROM paced
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
    FROM followed
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
