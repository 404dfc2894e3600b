-- Dated leverage tiers of a market, oldest table first, each by notional.
SELECT
    valid_from,
    floor,              -- quote
    cap,                -- quote
    max_leverage,
    maintenance_rate,
    deduction,          -- quote
    closing_fee
FROM leverage_tiers
WHERE exchange = $exchange
  AND symbol = $symbol
ORDER BY valid_from, floor;
