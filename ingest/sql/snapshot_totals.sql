-- What a series' snapshots hold at any price [base], oldest first.
SELECT * EXCLUDE (series_id)
FROM snapshot_totals
WHERE series_id = $series_id
  AND timestamp > $start
  AND timestamp <= $stop
ORDER BY timestamp;
