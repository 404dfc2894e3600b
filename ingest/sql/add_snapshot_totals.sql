-- Store totals of one series from `batch`.
INSERT INTO snapshot_totals BY NAME
SELECT
    $series_id AS series_id,
    *
FROM batch;
