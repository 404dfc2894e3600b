-- Identity of the database, and how often each market changed: at all, and in what maps are made of.
SELECT
    (SELECT value FROM meta WHERE key = 'database_id') AS database_id,
    exchange,
    symbol,
    revision,
    map_revision
FROM market_revisions
ORDER BY exchange, symbol;
