-- Keep a book to go on from.
INSERT INTO snapshot_checkpoints
VALUES ($series_id, $stop, $inputs, $content);
