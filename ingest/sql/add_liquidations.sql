-- Add the liquidations of `batch` that are not stored yet; no trade id equals none.
-- Of what is stored only the batch's span is looked at: most blocks of the table need not be read.
INSERT INTO liquidations BY NAME
SELECT DISTINCT ON (exchange, symbol, time, side, quantity, price, trade_id)
    exchange,
    symbol,
    time,
    side,
    quantity,
    price,
    nullif(price_kind, '')                                   AS price_kind,
    CASE WHEN isfinite(trigger_price) THEN trigger_price END AS trigger_price,
    received_at,
    trade_id
FROM (
    SELECT * REPLACE (
        CASE WHEN side > 0 THEN 'long' ELSE 'short' END AS side,
        nullif(trade_id, -1)                            AS trade_id
    )
    FROM batch
) AS found
WHERE NOT EXISTS (
    FROM liquidations AS stored
    WHERE stored.time BETWEEN (SELECT min(time) FROM batch) AND (SELECT max(time) FROM batch)
      AND stored.exchange = found.exchange
      AND stored.symbol = found.symbol
      AND stored.time = found.time
      AND stored.side = found.side
      AND stored.quantity = found.quantity
      AND stored.price = found.price
      AND stored.trade_id IS NOT DISTINCT FROM found.trade_id
)
ORDER BY exchange, symbol, time, side, quantity, price, trade_id, received_at;
