-- Note a loaded file, in the transaction that stores its rows.
INSERT OR REPLACE INTO ingested_files
VALUES (
    $sha256,
    $exchange,
    $symbol,
    $kind,
    $path,
    $bytes,
    $rows_read,
    $rows_added,
    $first_time,
    $last_time,
    $trades_kept,
    now()::TIMESTAMP
);
