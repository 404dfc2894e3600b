-- Forget the file that was read last.
DROP TABLE IF EXISTS staging;
DROP TABLE IF EXISTS batch;
