-- Add the funding rates of `batch` that are not stored yet.
-- Of what is stored only the batch's markets and span are looked at: most blocks of the table need
-- not be read.
INSERT INTO funding_rates BY NAME
SELECT DISTINCT ON (exchange, symbol, time)
    exchange,
    symbol,
    time,
    funding_rate,
    CASE WHEN isfinite(interval_hours) THEN interval_hours END AS interval_hours
FROM batch
ANTI JOIN (
    SELECT exchange, symbol, time
    FROM funding_rates
    SEMI JOIN (SELECT DISTINCT exchange, symbol FROM batch) AS markets USING (exchange, symbol)
    WHERE time BETWEEN (SELECT min(time) FROM batch) AND (SELECT max(time) FROM batch)
) AS stored USING (exchange, symbol, time)
ORDER BY exchange, symbol, time;
