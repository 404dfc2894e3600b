-- Identity of the database, and how often each market of a symbol changed.
SELECT
    (SELECT value FROM meta WHERE key = 'database_id') AS database_id,
    exchange,
    revision
FROM market_revisions
WHERE symbol = $symbol
ORDER BY exchange;
