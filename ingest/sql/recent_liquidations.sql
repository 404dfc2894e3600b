-- The last liquidations of all markets, newest first; NULL asks for every exchange or symbol.
SELECT
    time,
    exchange,
    symbol,
    CASE side WHEN 'long' THEN 1 ELSE -1 END::TINYINT AS side,   -- of the position
    quantity,                                                    -- base
    price,                                                       -- quote
    quantity * price                                  AS notional,   -- quote
    received_at,
    coalesce(trade_id, $none)                         AS trade_id   -- the exchange's own
FROM liquidations
WHERE exchange = coalesce($exchange, exchange)
  AND symbol = coalesce($symbol, symbol)
ORDER BY time DESC, exchange, symbol, liquidations.side, price, quantity, liquidations.trade_id
LIMIT $limit;
