-- Forget what has been computed of a series from one day to another.
DELETE FROM snapshot_pieces
WHERE series_id = $series_id
  AND start >= $start
  AND start < $stop;
