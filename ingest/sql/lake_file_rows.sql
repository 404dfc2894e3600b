-- Number of rows of a Parquet file.
SELECT num_rows
FROM parquet_file_metadata($file);
