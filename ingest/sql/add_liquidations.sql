-- Add the liquidations of `batch` that are not stored yet.
INSERT INTO liquidations BY NAME
SELECT DISTINCT
    exchange,
    symbol,
    time,
    side,
    quantity,
    price
FROM (
    SELECT * REPLACE (CASE WHEN side > 0 THEN 'long' ELSE 'short' END AS side)
    FROM batch
)
ANTI JOIN liquidations USING (exchange, symbol, time, side, quantity, price)
ORDER BY exchange, symbol, time;
