-- Forget a series' checkpoint.
DELETE FROM snapshot_checkpoints
WHERE series_id = $series_id;
