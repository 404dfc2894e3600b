-- The rows of one partition, whose market its folders name.
INSERT INTO batch BY NAME
SELECT
    $exchange AS exchange,
    $symbol   AS symbol,
    *
FROM read_parquet($files, hive_partitioning = false, union_by_name = true);
