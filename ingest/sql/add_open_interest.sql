-- Add the samples of open interest of `batch` that are not stored yet.
-- Of what is stored only the batch's markets and span are looked at: most blocks of the table need
-- not be read.
INSERT INTO open_interest BY NAME
SELECT DISTINCT ON (exchange, symbol, time)
    exchange,
    symbol,
    time,
    open_interest,
    CASE WHEN isfinite(open_interest_notional) THEN open_interest_notional END
        AS open_interest_notional
FROM batch
ANTI JOIN (
    SELECT exchange, symbol, time
    FROM open_interest
    SEMI JOIN (SELECT DISTINCT exchange, symbol FROM batch) AS markets USING (exchange, symbol)
    WHERE time BETWEEN (SELECT min(time) FROM batch) AND (SELECT max(time) FROM batch)
) AS stored USING (exchange, symbol, time)
ORDER BY exchange, symbol, time;
