-- The usual distance from one row to the next. [s]
SELECT mode(time - previous) * $micros / 1e6
FROM (
    SELECT
        time,
        lag(time) OVER () AS previous
    FROM staging
);
