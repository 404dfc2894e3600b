-- Spans of a market's observed positions that were seen in a range, as they began.
SELECT
    address                                            AS "user",
    CASE side WHEN 'long' THEN 1 ELSE -1 END::TINYINT  AS side,
    quantity,
    entry_price,
    leverage,
    isolated,
    liquidation_price,
    margin,
    first_seen,
    last_seen
FROM observed_positions
WHERE exchange = $exchange
  AND symbol = $symbol
  AND first_seen < $stop
  AND last_seen >= $start
ORDER BY first_seen, address;
