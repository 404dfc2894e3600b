-- Liquidated notional of a market by interval and side of the position. Weeks begin on Mondays.
SELECT
    time_bucket(to_seconds($interval_seconds), time, TIMESTAMP '2000-01-03') AS start,
    coalesce(sum(quantity * price) FILTER (side = 'long'), 0.0)              AS long,    -- quote
    coalesce(sum(quantity * price) FILTER (side = 'short'), 0.0)             AS short,   -- quote
    count(*)                                                                 AS count
FROM liquidations
WHERE exchange = $exchange
  AND symbol = $symbol
  AND time >= $start
  AND time < $stop
GROUP BY ALL
ORDER BY ALL;
