-- Candles of one interval, with open interest and mark range as known at each one's end.
WITH bars AS (
    SELECT
        *,
        candle_stop(open_time, interval_seconds)                             AS stop,
        candle_stop(open_time, interval_seconds) + to_seconds($late_seconds) AS sampled_by
    FROM candles
    WHERE exchange = $exchange
      AND symbol = $symbol
      AND interval_seconds = $interval_seconds
      AND open_time >= $start
      AND open_time < $stop
),
samples AS (
    -- How long a sample counts follows from the samples up to it alone: whatever is added later
    -- must not change what was known before.
    SELECT
        time,
        open_interest,
        time + to_seconds(greatest(
            $interval_seconds,
            1.5 * coalesce(
                -- The middle one, so that a hole does not stretch what comes after it.
                median(spacing) OVER (ORDER BY time ROWS BETWEEN 4 PRECEDING AND CURRENT ROW),
                $assumed_spacing_seconds
            )
        )) + to_seconds($late_seconds) AS known_until
    FROM (
        SELECT
            time,
            open_interest,
            epoch(time - lag(time) OVER (ORDER BY time)) AS spacing
        FROM open_interest
        WHERE exchange = $exchange
          AND symbol = $symbol
          AND time <= candle_stop($stop, $interval_seconds) + to_seconds($late_seconds)
          -- With the sample in force at the start, and those that its spacings are taken from.
          AND time >= coalesce(
              (
                  SELECT min(time)
                  FROM (
                      SELECT time
                      FROM open_interest
                      WHERE exchange = $exchange
                        AND symbol = $symbol
                        AND time <= $start
                      ORDER BY time DESC
                      LIMIT 6
                  )
              ),
              $start
          )
    )
),
initial AS (
    SELECT CASE WHEN known_until >= first THEN open_interest END AS open_interest
    FROM samples, (SELECT min(open_time) AS first FROM bars)
    WHERE time <= first + to_seconds($late_seconds)
    ORDER BY time DESC
    LIMIT 1
),
marks AS (
    -- Only where they fill the bar: a part of its range would hide what the rest crossed.
    SELECT
        bars.open_time,
        max(m.high) AS mark_high,   -- quote
        min(m.low)  AS mark_low     -- quote
    FROM mark_candles AS m
    ASOF JOIN bars ON m.open_time >= bars.open_time
    WHERE m.exchange = $exchange
      AND m.symbol = $symbol
      AND m.interval_seconds = $mark_interval_seconds
      AND m.open_time >= $start
      AND m.open_time < candle_stop($stop, $interval_seconds)
      AND candle_stop(m.open_time, m.interval_seconds) <= bars.stop
    GROUP BY bars.open_time, bars.stop
    HAVING sum(epoch(candle_stop(m.open_time, m.interval_seconds) - m.open_time))
           >= epoch(any_value(bars.stop) - bars.open_time)
)
SELECT
    bars.open_time,
    bars.open,                                                       -- quote
    bars.high,                                                       -- quote
    bars.low,                                                        -- quote
    bars.close,                                                      -- quote
    bars.volume,                                                     -- base
    coalesce(bars.quote_volume, 'NaN'::DOUBLE)     AS quote_volume,      -- quote
    coalesce(bars.taker_buy_volume, 'NaN'::DOUBLE) AS taker_buy_volume,  -- base
    coalesce(marks.mark_high, 'NaN'::DOUBLE)       AS mark_high,         -- quote
    coalesce(marks.mark_low, 'NaN'::DOUBLE)        AS mark_low,          -- quote
    CASE
        WHEN samples.known_until >= bars.stop THEN samples.open_interest
        ELSE 'NaN'::DOUBLE
    END                                            AS open_interest,     -- base
    CASE
        WHEN samples.known_until >= bars.stop THEN samples.time
    END                                            AS open_interest_time,
    -- At the start of the first bar.
    coalesce((FROM initial), 'NaN'::DOUBLE)        AS initial_open_interest  -- base
FROM bars
ASOF LEFT JOIN samples ON bars.sampled_by >= samples.time
LEFT JOIN marks ON marks.open_time = bars.open_time
ORDER BY bars.open_time;
