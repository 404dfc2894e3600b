-- Number of rows and their first and last time.
SELECT
    count(*)                           AS rows,
    make_timestamp(min(time) * $micros) AS first,
    make_timestamp(max(time) * $micros) AS last
FROM staging;
