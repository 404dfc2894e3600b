-- Number of candles in a range, by interval.
SELECT
    interval_seconds,
    count(*) AS rows
FROM candles
WHERE exchange = $exchange
  AND symbol = $symbol
  AND open_time >= $start
  AND open_time < $stop
GROUP BY interval_seconds;
