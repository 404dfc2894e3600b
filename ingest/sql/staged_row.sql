-- One row, to show it.
SELECT *
FROM staging
WHERE rowid = $row;
