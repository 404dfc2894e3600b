-- What has been computed of a series, oldest first.
SELECT
    start,
    stop,
    inputs,
    cells,
    has_events
FROM snapshot_pieces
WHERE series_id = $series_id
ORDER BY start;
