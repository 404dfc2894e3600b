-- First row of each kind of nonsense; the column's name is what was expected.
SELECT
    min(rowid) FILTER (coalesce(time NOT BETWEEN $earliest AND $latest, true))
        AS "a time in the unit of the first row",
    min(rowid) FILTER (trade_id IS NULL)
        AS "a trade id",
    min(rowid) FILTER (trade_id = previous)
        AS "every trade id once",
    min(rowid) FILTER (trade_id < previous)
        AS "trade ids in ascending order",
    min(rowid) FILTER (NOT coalesce(price > 0 AND price < 1e12, false))
        AS "a price between 0 and 1e12",
    min(rowid) FILTER (NOT coalesce(quantity > 0 AND quantity < 1e15, false))
        AS "a quantity between 0 and 1e15",
    min(rowid) FILTER (is_buyer_maker IS NULL)
        AS "true or false for is_buyer_maker"
FROM (
    SELECT
        rowid,
        *,
        lag(trade_id) OVER () AS previous
    FROM staging
);
