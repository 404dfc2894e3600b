-- Put some liquidations of a file beside those before.
INSERT INTO batch BY NAME
SELECT *
FROM found;
