-- Per market of `batch`: different liquidations, how many of them are new, and their span.
SELECT
    found.symbol,
    count(*)                                  AS rows,
    count(*) FILTER (stored.time IS NULL)     AS added,
    min(found.time)                           AS first_time,
    max(found.time)                           AS last_time
FROM (
    SELECT DISTINCT
        exchange,
        symbol,
        time,
        CASE WHEN side > 0 THEN 'long' ELSE 'short' END AS side,
        quantity,
        price,
        nullif(trade_id, -1)                              AS trade_id
    FROM batch
) AS found
LEFT JOIN liquidations AS stored
    ON stored.exchange = found.exchange
   AND stored.symbol = found.symbol
   AND stored.time = found.time
   AND stored.side = found.side
   AND stored.quantity = found.quantity
   AND stored.price = found.price
   AND stored.trade_id IS NOT DISTINCT FROM found.trade_id
GROUP BY found.symbol
ORDER BY found.symbol;
