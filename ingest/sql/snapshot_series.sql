-- Series of snapshots of one market and model, of all programs.
SELECT
    series_id,
    exchange,
    symbol,
    model,
    interval_seconds,
    bucket_width,   -- quote
    bins,
    program,
    watermark,
    book_start
FROM snapshot_series
WHERE exchange = $exchange
  AND symbol = $symbol
  AND model = $model
ORDER BY series_id;
