-- Liquidations of a market in a range, oldest first.
SELECT
    time,
    CASE side WHEN 'long' THEN 1 ELSE -1 END::TINYINT AS side,   -- of the position
    quantity,                                                    -- base
    price,                                                       -- quote
    quantity * price                                  AS notional,      -- quote
    coalesce(price_kind, '')                          AS price_kind,
    trigger_price,                                               -- quote
    received_at,
    coalesce(trade_id, -1)                            AS trade_id
FROM liquidations
WHERE exchange = $exchange
  AND symbol = $symbol
  AND time >= $start
  AND time < $stop
ORDER BY time, liquidations.side, price, quantity, coalesce(trade_id, -1);
