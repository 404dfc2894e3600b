-- A file's trades as candles of one minute. Sums are exact, so that they don't depend on the order
-- in which threads add. A minute without trades between two consecutive trade ids was quiet and
-- gets a flat candle; where ids are missing, so is the minute.
CREATE TEMP TABLE batch AS
WITH minutes AS (
    SELECT
        time * $micros // 60_000_000                                              AS minute,
        arg_min(price, trade_id)                                                  AS open,
        max(price)                                                                AS high,
        min(price)                                                                AS low,
        arg_max(price, trade_id)                                                  AS close,
        sum(quantity::DECIMAL(38, 8))                                             AS volume,
        sum((price * quantity)::DECIMAL(38, 8))                                   AS quote_volume,
        sum(quantity::DECIMAL(38, 8)) FILTER (WHERE NOT is_buyer_maker)           AS taker_buy_volume,
        min(trade_id)                                                             AS first_id,
        max(trade_id)                                                             AS last_id
    FROM staging
    GROUP BY minute
),
followed AS (
    SELECT
        *,
        lead(minute) OVER by_minute   AS next_minute,
        lead(first_id) OVER by_minute AS next_id
    FROM minutes
    WINDOW by_minute AS (ORDER BY minute)
),
quiet AS (
    SELECT
        unnest(range(minute + 1, next_minute)) AS minute,
        close                                  AS price
    FROM followed
    WHERE next_minute > minute + 1
      AND next_id = last_id + 1
),
candles AS (
    SELECT minute, open, high, low, close, volume, quote_volume, taker_buy_volume
    FROM minutes
    UNION ALL
    SELECT minute, price, price, price, price, 0, 0, 0
    FROM quiet
)
SELECT
    $exchange                                AS exchange,
    $symbol                                  AS symbol,
    60                                       AS interval_seconds,
    make_timestamp(minute * 60_000_000)      AS open_time,
    open,
    high,
    low,
    close,
    volume::DOUBLE                           AS volume,
    quote_volume::DOUBLE                     AS quote_volume,
    coalesce(taker_buy_volume, 0)::DOUBLE    AS taker_buy_volume
FROM candles;
