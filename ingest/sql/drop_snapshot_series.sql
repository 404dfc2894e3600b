-- Forget a series whose rows are gone.
DELETE FROM snapshot_series
WHERE series_id = $series_id;
