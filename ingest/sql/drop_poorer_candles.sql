-- Make room for the candles of `batch` that know the takers' part where the stored ones don't.
DELETE FROM candles
USING batch
WHERE candles.exchange = batch.exchange
  AND candles.symbol = batch.symbol
  AND candles.interval_seconds = batch.interval_seconds
  AND candles.open_time = batch.open_time
  AND candles.taker_buy_volume IS NULL
  AND isfinite(batch.taker_buy_volume);
