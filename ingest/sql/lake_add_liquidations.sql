-- Add the liquidations of `batch` that their market does not have yet; no trade id equals none.
INSERT INTO {table} BY NAME
SELECT *
FROM batch
WHERE NOT EXISTS (
    FROM {table} AS stored
    WHERE stored.exchange = $exchange
      AND stored.symbol = $symbol
      AND stored.time = batch.time
      AND stored.side = batch.side
      AND stored.quantity = batch.quantity
      AND stored.price = batch.price
      AND stored.trade_id IS NOT DISTINCT FROM batch.trade_id
)
ORDER BY {order};
