-- Remove a series' totals from one day to another; a day begins after its first moment.
DELETE FROM snapshot_totals
WHERE series_id = $series_id
  AND timestamp > $start
  AND timestamp <= $stop;
