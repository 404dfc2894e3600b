-- Begin a series of snapshots.
INSERT INTO snapshot_series
    (exchange, symbol, model, interval_seconds, bucket_width, bins, program)
VALUES ($exchange, $symbol, $model, $interval_seconds, $bucket_width, $bins, $program)
RETURNING series_id;
