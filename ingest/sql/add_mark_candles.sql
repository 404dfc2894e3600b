-- Add the mark-price candles of `batch` that are not stored yet.
INSERT INTO mark_candles BY NAME
SELECT DISTINCT ON (exchange, symbol, interval_seconds, open_time)
    exchange,
    symbol,
    interval_seconds,
    open_time,
    open,
    high,
    low,
    close
FROM batch
ANTI JOIN mark_candles USING (exchange, symbol, interval_seconds, open_time)
ORDER BY exchange, symbol, interval_seconds, open_time;
