-- Store rows of a file, of some days, as those of a series of this database.
INSERT INTO {table} BY NAME
SELECT * REPLACE ($series_id AS series_id)
FROM read_parquet($file, hive_partitioning = false)
WHERE {time} > $start
  AND {time} <= $stop;
