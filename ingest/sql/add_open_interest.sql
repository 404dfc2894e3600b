-- Add the samples of open interest of `batch` that are not stored yet.
INSERT INTO open_interest BY NAME
SELECT DISTINCT ON (exchange, symbol, time)
    exchange,
    symbol,
    time,
    open_interest,
    CASE WHEN isfinite(open_interest_notional) THEN open_interest_notional END
        AS open_interest_notional
FROM batch
ANTI JOIN open_interest USING (exchange, symbol, time)
ORDER BY exchange, symbol, time;
