-- Begin a span for each position of `batch` that none of its user's spans covers.
INSERT INTO observed_positions BY NAME
SELECT
    * EXCLUDE (time),
    time AS first_seen,
    time AS last_seen
FROM batch
WHERE NOT EXISTS (
    FROM observed_positions AS stored
    WHERE (stored.exchange, stored.symbol, stored.address)
        = (batch.exchange, batch.symbol, batch.address)
      AND batch.time BETWEEN stored.first_seen AND stored.last_seen
)
ORDER BY exchange, symbol, address;
