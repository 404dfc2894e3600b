-- Add the trades of `batch` that are not stored yet.
INSERT INTO trades BY NAME
SELECT
    exchange,
    symbol,
    trade_id,
    time,
    price,
    quantity,
    taker_buy
FROM batch
ANTI JOIN trades USING (exchange, symbol, trade_id);
