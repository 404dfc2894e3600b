-- Store snapshots of one series from `batch`.
INSERT INTO liquidation_snapshots
SELECT
    $series_id,
    timestamp,
    $exchange,
    $symbol,
    price_bucket,
    CASE side WHEN 0 THEN 'long' ELSE 'short' END,
    active_volume,
    consumed_volume
FROM batch;
