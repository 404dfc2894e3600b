-- Remember for which state of the market all pieces of a series are known to be current, and how
-- the book that they were drawn from was made.
UPDATE snapshot_series
SET watermark = $watermark,
    book_start = $book_start,
    crossing_price = $crossing_price,
    assumed_margin = $assumed_margin
WHERE series_id = $series_id;
