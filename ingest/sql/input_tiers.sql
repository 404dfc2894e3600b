-- Count and hash of a market's leverage tiers.
SELECT
    count(*)             AS rows,
    coalesce(sum(hash(t)), 0) AS hash
FROM leverage_tiers AS t
WHERE exchange = $exchange
  AND symbol = $symbol;
