-- Add the liquidations of `batch` that are not stored yet.
INSERT INTO liquidations BY NAME
SELECT DISTINCT ON (exchange, symbol, time, side, quantity, price)
    exchange,
    symbol,
    time,
    side,
    quantity,
    price,
    nullif(price_kind, '')                                   AS price_kind,
    CASE WHEN isfinite(trigger_price) THEN trigger_price END AS trigger_price,
    received_at
FROM (
    SELECT * REPLACE (CASE WHEN side > 0 THEN 'long' ELSE 'short' END AS side)
    FROM batch
)
ANTI JOIN liquidations USING (exchange, symbol, time, side, quantity, price)
ORDER BY exchange, symbol, time, side, quantity, price, received_at;
