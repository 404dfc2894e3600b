-- Store totals of one series from `batch`.
INSERT INTO snapshot_totals BY NAME
SELECT
    $series_id AS series_id,
    * REPLACE (coalesce(open_interest, 'NaN'::DOUBLE) AS open_interest)  -- NaN comes as null
FROM batch;
