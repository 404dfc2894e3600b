-- Add leverage tiers; a row of the same date and floor is replaced.
INSERT OR REPLACE INTO leverage_tiers BY NAME
SELECT
    exchange,
    symbol,
    valid_from,
    floor,
    cap,
    max_leverage,
    maintenance_rate,
    deduction,
    closing_fee
FROM batch;
