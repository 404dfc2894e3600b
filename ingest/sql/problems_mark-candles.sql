-- First row of each kind of nonsense; the column's name is what was expected.
SELECT
    min(rowid) FILTER (coalesce(time NOT BETWEEN $earliest AND $latest, true))
        AS "a time in the unit of the first row",
    min(rowid) FILTER ($grid > 0 AND time % $grid <> 0)
        AS "times that are multiples of the interval",
    min(rowid) FILTER (time = previous)
        AS "every time once",
    min(rowid) FILTER (time < previous)
        AS "times in ascending order",
    min(rowid) FILTER (NOT coalesce(least(open, high, low, close) > 0, false)
                       OR open IS NULL OR high IS NULL OR low IS NULL OR close IS NULL
                       OR NOT isfinite(open + high + low + close))
        AS "prices above 0",
    min(rowid) FILTER (high < low)
        AS "a high of at least the low",
    min(rowid) FILTER (greatest(open, close) > high OR least(open, close) < low)
        AS "open and close between low and high"
FROM (
    SELECT
        rowid,
        *,
        lag(time) OVER () AS previous
    FROM staging
);
