-- Positions that were seen, as they are stored.
CREATE OR REPLACE TEMP TABLE batch AS
SELECT * REPLACE (
    CASE WHEN side > 0 THEN 'long' ELSE 'short' END AS side,
    CASE WHEN isfinite(liquidation_price) THEN liquidation_price END AS liquidation_price
)
FROM seen;
