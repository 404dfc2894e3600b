-- Open interest as known at a time, nothing where the last sample is too old. [base]
SELECT arg_max(open_interest, time)
FROM open_interest
WHERE exchange = $exchange
  AND symbol = $symbol
  AND time <= $time + to_seconds($late_seconds)
  AND time >= $time - to_seconds($oldest_seconds);
