-- Columns of a Parquet file.
DESCRIBE
SELECT *
FROM read_parquet($file, hive_partitioning = false);
