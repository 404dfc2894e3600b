-- Remove a series' snapshots from one day to another; a day begins after its first moment.
DELETE FROM liquidation_snapshots
WHERE series_id = $series_id
  AND timestamp > $start
  AND timestamp <= $stop;
