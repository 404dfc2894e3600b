-- Store position events of one series from `batch`.
INSERT INTO position_events
SELECT
    $series_id,
    time,
    $exchange,
    $symbol,
    CASE side WHEN 0 THEN 'long' ELSE 'short' END,
    ['opened', 'closed', 'liquidated'][event + 1],
    price,
    quantity,
    CASE WHEN isfinite(leverage) THEN leverage END
FROM batch;
