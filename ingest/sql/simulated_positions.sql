-- Positions of the simulated market, in the order they opened.
SELECT
    opened,
    closed,
    end_reason,
    CASE side WHEN 'long' THEN 1 ELSE -1 END::TINYINT AS side,
    quantity,            -- base
    entry_price,         -- quote
    leverage,
    liquidation_price    -- quote
FROM simulated_positions
WHERE exchange = $exchange
  AND symbol = $symbol
ORDER BY ALL;
