-- Columns of a table but those that folders of a lake name, and whether each may be NULL.
SELECT column_name, is_nullable
FROM duckdb_columns()
WHERE table_name = $table
  AND database_name = current_database()
  AND column_name NOT IN ('exchange', 'symbol')
ORDER BY column_index;
