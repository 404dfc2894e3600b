-- Identity of the database, and how often each market changed: of one symbol, or of all.
SELECT
    (SELECT value FROM meta WHERE key = 'database_id') AS database_id,
    exchange,
    symbol,
    revision
FROM market_revisions
WHERE $symbol IS NULL
   OR symbol = $symbol
ORDER BY exchange, symbol;
