-- First row of each kind of nonsense; the column's name is what was expected.
-- The source repeats stamps, so a row may stand where its stamp stood before.
WITH stamps AS (
    SELECT
        time,
        min(rowid) AS first_row
    FROM staging
    GROUP BY time
)
SELECT
    min(rowid) FILTER (coalesce(time NOT BETWEEN $earliest AND $latest, true))
        AS "a time in the unit of the first row",
    min(rowid) FILTER (open_interest < 0 OR NOT isfinite(open_interest))
        AS "an open interest of at least 0, or none",
    min(rowid) FILTER (open_interest_notional < 0 OR NOT isfinite(open_interest_notional))
        AS "a value of at least 0, or none",
    (
        SELECT min(first_row) FILTER (time < previous)
        FROM (
            SELECT
                *,
                max(time) OVER (ORDER BY first_row ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW)
                    AS previous
            FROM stamps
        )
    )   AS "times in ascending order"
FROM (
    SELECT
        rowid,
        *
    FROM staging
);
