-- Remember for which state of the market all pieces of a series are known to be current.
UPDATE snapshot_series
SET watermark = $watermark,
    book_start = $book_start
WHERE series_id = $series_id;
