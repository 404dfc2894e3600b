-- Write all rows of a table to a file, oldest first; COPY takes no parameter for its target.
COPY (
    FROM {table}
    ORDER BY {time}
) TO '{target}' (FORMAT parquet, COMPRESSION zstd);
