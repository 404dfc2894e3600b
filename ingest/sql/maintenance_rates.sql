-- The maintenance rate of each market's lowest leverage tier, of its newest table.
SELECT
    exchange,
    symbol,
    maintenance_rate
FROM leverage_tiers
QUALIFY row_number() OVER (PARTITION BY exchange, symbol ORDER BY valid_from DESC, floor) = 1;
