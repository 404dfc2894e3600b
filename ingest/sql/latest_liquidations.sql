-- A market's latest liquidations in a range of at least a notional, newest first.
SELECT
    time,
    CASE side WHEN 'long' THEN 1 ELSE -1 END::TINYINT AS side,   -- of the position
    price,                                                       -- quote
    quantity * price                                  AS notional   -- quote
FROM liquidations
WHERE exchange = $exchange
  AND symbol = $symbol
  AND time >= $start
  AND time < $stop
  AND quantity * price >= $least_notional
ORDER BY time DESC, side, price, quantity
LIMIT $limit;
