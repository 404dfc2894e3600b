-- A market's largest liquidations in a range, oldest first; of equal ones the later.
SELECT
    time,
    side,       -- of the position
    price,      -- quote
    notional    -- quote
FROM (
    SELECT
        time,
        CASE side WHEN 'long' THEN 1 ELSE -1 END::TINYINT AS side,
        price,
        quantity * price                                  AS notional
    FROM liquidations
    WHERE exchange = $exchange
      AND symbol = $symbol
      AND time >= $start
      AND time < $stop
    ORDER BY notional DESC, time DESC, price DESC
    LIMIT $limit
)
ORDER BY time, side DESC, price, notional;
