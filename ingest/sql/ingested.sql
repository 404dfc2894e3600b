-- Whether a file was loaded, and if so whether its trades were kept.
SELECT trades_kept
FROM ingested_files
WHERE sha256 = $sha256
  AND exchange = $exchange
  AND symbol = $symbol
  AND kind = $kind;
