-- Count a change of a market, and whether maps are made of what changed.
INSERT INTO market_revisions
VALUES ($exchange, $symbol, 1, $maps::INTEGER)
ON CONFLICT DO UPDATE SET
    revision = revision + 1,
    map_revision = map_revision + excluded.map_revision;
