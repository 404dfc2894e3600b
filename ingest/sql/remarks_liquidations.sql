-- Orders that filled nothing, and rows that repeat another one.
SELECT
    count(*) FILTER (quantity = 0)                                          AS missing,
    count(*) - count(DISTINCT row(time, side, quantity, price))             AS repeated,
    0                                                                       AS conflicting
FROM staging;
