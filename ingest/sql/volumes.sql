-- Whether any candle has a volume; those of mark prices have none.
SELECT bool_or(volume > 0)
FROM staging;
