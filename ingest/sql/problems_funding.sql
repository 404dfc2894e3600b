-- First row of each kind of nonsense; the column's name is what was expected.
SELECT
    min(rowid) FILTER (coalesce(time NOT BETWEEN $earliest AND $latest, true))
        AS "a time in the unit of the first row",
    min(rowid) FILTER (time = previous)
        AS "every time once",
    min(rowid) FILTER (time < previous)
        AS "times in ascending order",
    min(rowid) FILTER (NOT coalesce(abs(funding_rate) < 1, false))
        AS "a funding rate between -1 and 1 (not in percent)",
    min(rowid) FILTER (NOT (interval_hours > 0 AND isfinite(interval_hours)))
        AS "an interval of more than 0 hours"
FROM (
    SELECT
        rowid,
        *,
        lag(time) OVER () AS previous
    FROM staging
);
