-- An empty table `batch` with the columns of another.
CREATE OR REPLACE TEMP TABLE batch AS
SELECT *
FROM {table}
LIMIT 0;
