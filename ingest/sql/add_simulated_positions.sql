-- Add positions of the simulated market.
INSERT INTO simulated_positions BY NAME
SELECT
    exchange,
    symbol,
    opened,
    closed,
    end_reason,
    CASE WHEN side > 0 THEN 'long' ELSE 'short' END AS side,
    quantity,
    entry_price,
    leverage,
    liquidation_price
FROM batch;
