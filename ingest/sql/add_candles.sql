-- Add the candles of `batch` that are not stored yet.
INSERT INTO candles BY NAME
SELECT DISTINCT ON (exchange, symbol, interval_seconds, open_time)
    exchange,
    symbol,
    interval_seconds,
    open_time,
    open,
    high,
    low,
    close,
    volume,
    CASE WHEN isfinite(quote_volume) THEN quote_volume END         AS quote_volume,
    CASE WHEN isfinite(taker_buy_volume) THEN taker_buy_volume END AS taker_buy_volume
FROM batch
ANTI JOIN candles USING (exchange, symbol, interval_seconds, open_time)
ORDER BY exchange, symbol, interval_seconds, open_time;
