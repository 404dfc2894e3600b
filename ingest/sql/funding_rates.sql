-- Funding rates of a market in a range, oldest first.
SELECT
    time,
    funding_rate,                                                -- per interval
    coalesce(interval_hours, 'NaN'::DOUBLE) AS interval_hours
FROM funding_rates
WHERE exchange = $exchange
  AND symbol = $symbol
  AND time >= $start
  AND time < $stop
ORDER BY time;
