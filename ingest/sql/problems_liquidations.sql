-- First row of each kind of nonsense; the column's name is what was expected.
-- The source writes every row twice, so a row may stand where it stood before.
WITH orders AS (
    SELECT
        time,
        min(rowid) AS first_row
    FROM staging
    GROUP BY time, side, quantity, price
)
SELECT
    min(rowid) FILTER (coalesce(time NOT BETWEEN $earliest AND $latest, true))
        AS "a time in the unit of the first row",
    min(rowid) FILTER ($order_sides AND coalesce(upper(side) NOT IN ('SELL', 'BUY'), true))
        AS "SELL or BUY, the side of the order",
    min(rowid) FILTER (NOT $order_sides AND coalesce(lower(side) NOT IN ('long', 'short'), true))
        AS "long or short, the side of the position",
    min(rowid) FILTER (NOT coalesce(quantity >= 0 AND isfinite(quantity), false))
        AS "a quantity of at least 0",
    min(rowid) FILTER (quantity > 0 AND NOT coalesce(price > 0 AND isfinite(price), false))
        AS "a price above 0",
    (
        SELECT min(first_row) FILTER (time < previous)
        FROM (
            SELECT
                *,
                max(time) OVER (ORDER BY first_row ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW)
                    AS previous
            FROM orders
        )
    )   AS "times in ascending order"
FROM (
    SELECT
        rowid,
        *
    FROM staging
);
