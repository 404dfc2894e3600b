-- First and last liquidation of each market that has any.
SELECT
    exchange,
    symbol,
    min(time) AS first,
    max(time) AS last
FROM liquidations
GROUP BY ALL
ORDER BY ALL;
