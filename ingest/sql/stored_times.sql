-- Times of the stored rows of one kind of data, oldest first; candles of one interval, by their open.
SELECT open_time AS time
FROM candles
WHERE $table = 'candles'
  AND exchange = $exchange
  AND symbol = $symbol
  AND interval_seconds = $interval_seconds
  AND open_time >= $start
  AND open_time < $stop
UNION ALL
SELECT open_time
FROM mark_candles
WHERE $table = 'mark_candles'
  AND exchange = $exchange
  AND symbol = $symbol
  AND interval_seconds = $interval_seconds
  AND open_time >= $start
  AND open_time < $stop
UNION ALL
SELECT time
FROM open_interest
WHERE $table = 'open_interest'
  AND exchange = $exchange
  AND symbol = $symbol
  AND time >= $start
  AND time < $stop
UNION ALL
SELECT time
FROM funding_rates
WHERE $table = 'funding_rates'
  AND exchange = $exchange
  AND symbol = $symbol
  AND time >= $start
  AND time < $stop
ORDER BY time;
