-- The fits of a symbol, the newest first.
SELECT
    exchange,
    symbol,
    name,
    assumptions,
    watermark,
    program_version,
    fitted_at,
    result
FROM fits
WHERE symbol = $symbol
ORDER BY fitted_at DESC, exchange, name;
