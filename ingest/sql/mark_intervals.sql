-- Number of mark-price candles in a range, by interval, no coarser than a bar.
SELECT
    interval_seconds,
    count(*) AS rows
FROM mark_candles
WHERE exchange = $exchange
  AND symbol = $symbol
  AND interval_seconds <= $interval_seconds
  AND open_time >= $start
  AND open_time < $stop
GROUP BY interval_seconds;
