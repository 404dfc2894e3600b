-- Add the leverage tiers of `batch`; a row of the same date and floor that differs is replaced.
INSERT OR REPLACE INTO {table} BY NAME
SELECT *
FROM batch
EXCEPT
SELECT *
FROM {table}
WHERE exchange = $exchange
  AND symbol = $symbol;
