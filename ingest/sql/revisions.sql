-- Identity of the database, and how often each market changed.
SELECT
    (SELECT value FROM meta WHERE key = 'database_id') AS database_id,
    exchange,
    symbol,
    revision
FROM market_revisions
ORDER BY exchange, symbol;
