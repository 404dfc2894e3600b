-- Set how often a market changed.
INSERT INTO market_revisions
VALUES ($exchange, $symbol, $revision, $revision)
ON CONFLICT DO UPDATE SET
    revision = excluded.revision,
    map_revision = excluded.map_revision;
