-- Series of snapshots of one market and model, of all programs.
SELECT
    exchange,
    symbol,
    model,
    to_seconds(interval_seconds) AS interval,
    bucket_width,   -- quote
    bins,
    program,
    watermark,
    book_start,
    crossing_price,
    assumed_margin,
    series_id
FROM snapshot_series
WHERE exchange = $exchange
  AND symbol = $symbol
  AND model = $model
ORDER BY series_id;
