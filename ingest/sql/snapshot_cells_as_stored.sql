-- Snapshots of a series on its own grid; what `snapshot_cells` gives, without adding up.
SELECT
    CASE side WHEN 'long' THEN 0 ELSE 1 END::TINYINT                 AS side,
    (round(price_bucket / $width)::BIGINT - $first_bucket)::INTEGER  AS bucket,
    ((epoch_us(timestamp) - $start_us - 1) // $column_us)::INTEGER   AS column_index,
    active_volume                                                    AS active,    -- quote
    consumed_volume                                                  AS consumed   -- quote
FROM liquidation_snapshots
WHERE series_id = $series_id
  AND timestamp > $start
  AND timestamp <= $stop
  AND price_bucket > $low
  AND price_bucket < $high;
