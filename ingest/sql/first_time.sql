-- Time of the first row, in the file's own unit.
SELECT time
FROM staging
WHERE rowid = 0;
