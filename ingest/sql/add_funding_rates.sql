-- Add the funding rates of `batch` that are not stored yet.
INSERT INTO funding_rates BY NAME
SELECT DISTINCT ON (exchange, symbol, time)
    exchange,
    symbol,
    time,
    funding_rate,
    CASE WHEN isfinite(interval_hours) THEN interval_hours END AS interval_hours
FROM batch
ANTI JOIN funding_rates USING (exchange, symbol, time)
ORDER BY exchange, symbol, time;
