-- Keep a calibration in place of the last one of its market, feed and assumptions.
INSERT OR REPLACE INTO calibrations BY NAME
SELECT
    $exchange                 AS exchange,
    $symbol                   AS symbol,
    $feed                     AS feed,
    $assumptions              AS assumptions,
    $inputs                   AS inputs,
    $watermark                AS watermark,
    $program_version          AS program_version,
    $calibrated_at::TIMESTAMP AS calibrated_at,
    $result                   AS result;
