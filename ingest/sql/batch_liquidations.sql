-- A file's liquidations as they are stored: each once, and only what was filled.
-- The order that closes a long position sells.
CREATE TEMP TABLE batch AS
SELECT DISTINCT
    $exchange                                                          AS exchange,
    $symbol                                                            AS symbol,
    make_timestamp(time * $micros)                                     AS time,
    CASE WHEN lower(side) IN ('sell', 'long') THEN 1 ELSE -1 END::TINYINT AS side,
    quantity,
    price,
    NULL::VARCHAR                                                      AS price_kind,
    NULL::DOUBLE                                                       AS trigger_price,
    NULL::TIMESTAMP                                                    AS received_at,
    NULL::BIGINT                                                       AS trade_id
FROM staging
WHERE quantity > 0;
