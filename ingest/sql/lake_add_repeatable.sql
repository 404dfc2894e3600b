-- Add the rows of `batch` that its market does not have as often yet.
INSERT INTO {table} BY NAME
SELECT *
FROM (
    SELECT *
    FROM batch
    EXCEPT ALL
    SELECT *
    FROM {table}
    WHERE exchange = $exchange
      AND symbol = $symbol
)
ORDER BY {order};
