-- Markets and months of a table, and how many rows each has; no exchanges and NULL ask for all.
SELECT
    exchange,
    symbol,
    {month}  AS month,
    count(*) AS rows
FROM {table}
WHERE (len($exchanges) = 0 OR list_contains($exchanges, exchange))
  AND symbol = coalesce($symbol, symbol)
GROUP BY ALL
ORDER BY ALL;
