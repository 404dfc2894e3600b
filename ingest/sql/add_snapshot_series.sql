-- Begin a series of snapshots.
INSERT INTO snapshot_series (
    exchange,
    symbol,
    model,
    interval_seconds,
    bucket_width,
    bins,
    program,
    crossing_price,
    assumed_margin
)
VALUES (
    $exchange,
    $symbol,
    $model,
    $interval_seconds,
    $bucket_width,
    $bins,
    $program,
    $crossing_price,
    $assumed_margin
)
RETURNING series_id;
