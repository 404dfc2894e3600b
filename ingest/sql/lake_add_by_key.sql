-- Add the rows of `batch` whose key its market does not have yet.
INSERT INTO {table} BY NAME
SELECT DISTINCT ON ({key}) *
FROM batch
ANTI JOIN (
    SELECT {key}
    FROM {table}
    WHERE exchange = $exchange
      AND symbol = $symbol
) USING ({key})
ORDER BY {order};
