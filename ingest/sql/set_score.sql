-- Keep a score in place of the last one of its market and assumptions.
INSERT OR REPLACE INTO scores BY NAME
SELECT
    $exchange AS exchange,
    $symbol AS symbol,
    $assumptions AS assumptions,
    $start::TIMESTAMP AS start,
    $stop::TIMESTAMP AS stop,
    $watermark AS watermark,
    $program_version AS program_version,
    $scored_at::TIMESTAMP AS scored_at,
    $result AS result;
