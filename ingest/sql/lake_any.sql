-- Whether a table has any rows.
SELECT EXISTS (SELECT 1 FROM {table});
