-- Record what has been computed.
INSERT INTO snapshot_pieces
VALUES ($series_id, $start, $stop, $inputs, $cells, $has_events);
