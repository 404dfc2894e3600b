-- Write one market's rows of a table and month to a file; COPY takes no parameter for its target.
COPY (
    SELECT * EXCLUDE (exchange, symbol)
    FROM {table}
    WHERE exchange = $exchange
      AND symbol = $symbol
      {within}
    ORDER BY {order}
) TO '{target}' (FORMAT parquet, COMPRESSION zstd);
