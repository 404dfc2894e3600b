-- Keep a fit; one of the same name is replaced.
INSERT OR REPLACE INTO fits BY NAME
SELECT
    $exchange             AS exchange,
    $symbol               AS symbol,
    $name                 AS name,
    $assumptions          AS assumptions,
    $watermark            AS watermark,
    $program_version      AS program_version,
    $fitted_at::TIMESTAMP AS fitted_at,
    $result               AS result;
