-- The book that a series goes on from.
SELECT
    stop,
    inputs,
    content
FROM snapshot_checkpoints
WHERE series_id = $series_id;
