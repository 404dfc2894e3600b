-- Count a change of a market.
INSERT INTO market_revisions
VALUES ($exchange, $symbol, 1)
ON CONFLICT DO UPDATE SET revision = revision + 1;
