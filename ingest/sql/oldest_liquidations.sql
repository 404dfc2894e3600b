-- Liquidations of a symbol in a range, oldest first; of one side if told, and from the row after a
-- given one on. All columns together are the key, so that no two rows compare as equal.
SELECT
    time,
    exchange,
    CASE side WHEN 'long' THEN 1 ELSE -1 END::TINYINT AS side,   -- of the position
    quantity,                                                    -- base
    price,                                                       -- quote
    quantity * price                                  AS notional,   -- quote
    coalesce(trade_id, -1)                            AS trade_id    -- -1 where there is none
FROM liquidations
WHERE symbol = $symbol
  AND list_contains($exchanges::VARCHAR[], exchange)
  AND time >= $start
  AND time < $stop
  AND ($side::VARCHAR IS NULL OR side = $side::VARCHAR)
  AND quantity * price >= $min_notional::DOUBLE
  AND (
      $last_time::TIMESTAMP IS NULL
      OR (time, exchange, side, quantity, price, coalesce(trade_id, -1)) > (
          $last_time::TIMESTAMP,
          $last_exchange::VARCHAR,
          $last_side::VARCHAR,
          $last_quantity::DOUBLE,
          $last_price::DOUBLE,
          $last_trade_id::BIGINT
      )
  )
ORDER BY time, exchange, liquidations.side, quantity, price, coalesce(trade_id, -1)
LIMIT $most;
