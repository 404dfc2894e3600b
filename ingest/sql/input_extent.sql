-- Span and price range of a market's candles of one interval.
SELECT
    min(open_time)                                AS first,
    max(candle_stop(open_time, interval_seconds)) AS last,
    min(low)                                      AS low,    -- quote
    max(high)                                     AS high    -- quote
FROM candles
WHERE exchange = $exchange
  AND symbol = $symbol
  AND interval_seconds = $interval_seconds
  AND open_time >= $start
  AND open_time < $stop;
