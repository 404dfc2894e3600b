-- Let spans go on whose position `batch` saw unchanged: the newest of each user in a market.
UPDATE observed_positions AS stored
SET last_seen = seen.time
FROM batch AS seen, (
    SELECT
        exchange,
        symbol,
        address,
        max(first_seen) AS first_seen
    FROM observed_positions
    SEMI JOIN batch USING (exchange, symbol, address)
    GROUP BY exchange, symbol, address
) AS newest
WHERE (stored.exchange, stored.symbol, stored.address, stored.first_seen)
    = (newest.exchange, newest.symbol, newest.address, newest.first_seen)
  AND (seen.exchange, seen.symbol, seen.address)
    = (newest.exchange, newest.symbol, newest.address)
  AND seen.time > stored.last_seen
  AND seen.side = stored.side
  AND seen.quantity = stored.quantity
  AND (
      seen.liquidation_price IS NOT DISTINCT FROM stored.liquidation_price
      OR abs(seen.liquidation_price / stored.liquidation_price - 1) < $leeway
  );
