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
    SELECT
        time,
        open_interest
    FROM open_interest
    WHERE exchange = $exchange
      AND symbol = $symbol
      AND time >= $start - to_seconds($oldest_seconds)
      AND time <= candle_stop($stop, $interval_seconds) + to_seconds($late_seconds)
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
        WHEN samples.time >= bars.stop - to_seconds($oldest_seconds) THEN samples.open_interest
        ELSE 'NaN'::DOUBLE
    END                                            AS open_interest,     -- base
    CASE
        WHEN samples.time >= bars.stop - to_seconds($oldest_seconds) THEN samples.time
    END                                            AS open_interest_time
FROM bars
ASOF LEFT JOIN samples ON bars.sampled_by >= samples.time
LEFT JOIN marks ON marks.open_time = bars.open_time
ORDER BY bars.open_time;
