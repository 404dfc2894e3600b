-- The last calibration of a market under some assumptions.
SELECT
    inputs,
    watermark,
    program_version,
    calibrated_at,
    result
FROM calibrations
WHERE exchange = $exchange
  AND symbol = $symbol
  AND feed = $feed
  AND assumptions = $assumptions;
