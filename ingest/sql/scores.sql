-- The last scores of a symbol under some assumptions, by exchange.
SELECT
    exchange,
    symbol,
    assumptions,
    start,
    stop,
    watermark,
    program_version,
    scored_at,
    result
FROM scores
WHERE symbol = $symbol
  AND assumptions = $assumptions
ORDER BY exchange;
