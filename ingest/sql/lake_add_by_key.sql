-- Add the rows of `batch` whose key its market does not have yet, as often as they are there.
INSERT INTO {table} BY NAME
SELECT *
FROM batch
ANTI JOIN (
    SELECT {key}
    FROM {table}
    WHERE exchange = $exchange
      AND symbol = $symbol
) USING ({key})
ORDER BY {order};
