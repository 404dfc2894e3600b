-- Rows without open interest, rows whose stamp was there before, and stamps with several values.
SELECT
    count(*) FILTER (NOT coalesce(open_interest > 0, false)) AS missing,
    count(*) - count(DISTINCT time)                          AS repeated,
    (
        SELECT count(*)
        FROM (
            SELECT time
            FROM staging
            WHERE open_interest > 0
            GROUP BY time
            HAVING count(DISTINCT open_interest) > 1
        )
    )                                                        AS conflicting
FROM staging;
