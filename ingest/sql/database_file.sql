-- The file that is open; null if everything is kept in memory.
SELECT path
FROM duckdb_databases()
WHERE database_name = current_database();
