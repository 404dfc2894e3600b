-- Add the files of `batch` that are not noted yet, or of which the trades were not kept so far.
INSERT OR REPLACE INTO {table} BY NAME
SELECT batch.*
FROM batch
LEFT JOIN (
    SELECT *
    FROM {table}
    WHERE exchange = $exchange
      AND symbol = $symbol
) AS noted USING ({key})
WHERE noted.trades_kept IS NULL
   OR (batch.trades_kept AND NOT noted.trades_kept);
