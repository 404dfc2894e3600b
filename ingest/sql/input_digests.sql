-- Count and hash of what a book is made of, by the first cut at which it is known. The order of
-- rows does not matter, and any change of one changes the sum.
WITH cuts AS (
    SELECT unnest($cuts::TIMESTAMP[]) AS cut
),
inputs AS (
    SELECT
        candle_stop(open_time, interval_seconds) AS known_at,
        hash(
            interval_seconds, open_time, open, high, low, close,
            volume, quote_volume, taker_buy_volume
        )                                        AS row_hash
    FROM candles
    WHERE exchange = $exchange
      AND symbol = $symbol
      AND interval_seconds = $interval_seconds
      AND open_time >= $start
    UNION ALL
    SELECT
        candle_stop(open_time, interval_seconds),
        hash('mark', interval_seconds, open_time, high, low)
    FROM mark_candles
    WHERE exchange = $exchange
      AND symbol = $symbol
      AND interval_seconds = $mark_interval_seconds
      AND open_time >= $start
    UNION ALL
    SELECT
        -- A late sample still belongs to the bar before it.
        time - to_seconds($late_seconds),
        hash('open interest', time, open_interest)
    FROM open_interest
    WHERE exchange = $exchange
      AND symbol = $symbol
    UNION ALL
    SELECT
        -- It changes no bar that ended by then.
        time + to_microseconds(1),
        hash('funding', time, funding_rate)
    FROM funding_rates
    WHERE exchange = $exchange
      AND symbol = $symbol
      AND time >= $start
      AND $funding
)
SELECT
    cut,
    count(*)      AS rows,
    sum(row_hash) AS hash
FROM inputs
ASOF JOIN cuts ON inputs.known_at <= cuts.cut
GROUP BY cut
ORDER BY cut;
