-- Add the staged trades that are not stored yet.
INSERT INTO trades BY NAME
SELECT
    $exchange                      AS exchange,
    $symbol                        AS symbol,
    trade_id,
    make_timestamp(time * $micros) AS time,
    price,
    quantity,
    NOT is_buyer_maker             AS taker_buy
FROM staging
ANTI JOIN (
    SELECT trade_id
    FROM trades
    WHERE exchange = $exchange
      AND symbol = $symbol
) USING (trade_id);
