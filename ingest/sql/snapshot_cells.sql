-- Snapshots of a series on a grid of columns and buckets that are whole multiples of its own:
-- what is open at the end of each column, and what was liquidated within it.
SELECT
    CASE side WHEN 'long' THEN 0 ELSE 1 END::TINYINT                         AS side,
    ((round(price_bucket / $width)::BIGINT - $first_bucket) // $buckets)::INTEGER AS bucket,
    ((epoch_us(timestamp) - $start_us - 1) // $column_us)::INTEGER           AS column_index,
    sum(
        CASE WHEN (epoch_us(timestamp) - $start_us) % $column_us = 0 THEN active_volume ELSE 0 END
    )                                                                        AS active,    -- quote
    sum(consumed_volume)                                                     AS consumed   -- quote
FROM liquidation_snapshots
WHERE series_id = $series_id
  AND timestamp > $start
  AND timestamp <= $stop
  AND price_bucket > $low
  AND price_bucket < $high
GROUP BY ALL;
