-- The rows of the relation `source` as they stand in it, in its order.
CREATE TEMP TABLE staging AS
SELECT *
FROM source;
