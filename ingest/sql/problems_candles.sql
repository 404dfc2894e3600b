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
        AS "open and close between low and high",
    min(rowid) FILTER (NOT coalesce(volume >= 0 AND isfinite(volume), false))
        AS "a volume of at least 0",
    min(rowid) FILTER (quote_volume < 0 OR NOT isfinite(quote_volume))
        AS "a quote volume of at least 0",
    min(rowid) FILTER (taker_buy_volume < 0 OR NOT isfinite(taker_buy_volume)
                       OR taker_buy_volume > volume * (1 + 1e-9))
        AS "a taker buy volume between 0 and the volume"
FROM (
    SELECT
        rowid,
        *,
        lag(time) OVER () AS previous
    FROM staging
);
