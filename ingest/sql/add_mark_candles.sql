-- Add the mark-price candles of `batch` that are not stored yet.
-- Of what is stored only the batch's markets and span are looked at: most blocks of the table need
-- not be read.
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
ANTI JOIN (
    SELECT exchange, symbol, interval_seconds, open_time
    FROM mark_candles
    SEMI JOIN (SELECT DISTINCT exchange, symbol, interval_seconds FROM batch) AS markets
        USING (exchange, symbol, interval_seconds)
    WHERE open_time BETWEEN
        (SELECT min(open_time) FROM batch) AND (SELECT max(open_time) FROM batch)
) AS stored USING (exchange, symbol, interval_seconds, open_time)
ORDER BY exchange, symbol, interval_seconds, open_time;
