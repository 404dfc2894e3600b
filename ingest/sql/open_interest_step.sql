-- Typical spacing of the samples of open interest around a range. [s]
SELECT median(epoch(time - previous))
FROM (
    SELECT
        time,
        lag(time) OVER (ORDER BY time) AS previous
    FROM open_interest
    WHERE exchange = $exchange
      AND symbol = $symbol
      AND time >= $start - INTERVAL 1 DAY
      AND time <= $stop + INTERVAL 1 DAY
)
WHERE previous IS NOT NULL;
