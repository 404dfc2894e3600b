-- Volume of a market's candles of one interval in quote currency, oldest first.
SELECT
    open_time                                AS time,
    coalesce(quote_volume, volume * close)   AS quote_volume   -- quote
FROM candles
WHERE exchange = $exchange
  AND symbol = $symbol
  AND interval_seconds = $interval_seconds
  AND open_time >= $start
  AND open_time < $stop
ORDER BY open_time;
