-- Whether a file of node fills was loaded: whole, or for the market that is wanted of it.
SELECT count(*) > 0
FROM ingested_files
WHERE sha256 = $sha256
  AND exchange = $exchange
  AND (kind = $whole OR (kind = $part AND symbol = $symbol));
