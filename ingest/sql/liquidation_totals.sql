-- Liquidated notional in a range by market and side of the position.
SELECT
    exchange,
    symbol,
    coalesce(sum(quantity * price) FILTER (side = 'long'), 0.0)  AS long,    -- quote
    coalesce(sum(quantity * price) FILTER (side = 'short'), 0.0) AS short    -- quote
FROM liquidations
WHERE time >= $start
  AND time < $stop
GROUP BY ALL
ORDER BY ALL;
