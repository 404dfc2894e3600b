-- Per market of `batch`: different liquidations, how many of them are new, and their span.
SELECT
    symbol,
    count(*)                                  AS rows,
    count(*) FILTER (stored.time IS NULL)     AS added,
    min(batch.time)                           AS first_time,
    max(batch.time)                           AS last_time
FROM (
    SELECT DISTINCT
        exchange,
        symbol,
        time,
        CASE WHEN side > 0 THEN 'long' ELSE 'short' END AS side,
        quantity,
        price
    FROM batch
) AS batch
LEFT JOIN liquidations AS stored USING (exchange, symbol, time, side, quantity, price)
GROUP BY symbol
ORDER BY symbol;
