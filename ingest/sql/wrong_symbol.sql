-- First row of another symbol.
SELECT min(rowid) FILTER (upper(symbol) IS DISTINCT FROM $symbol) AS "the symbol of the market"
FROM staging;
