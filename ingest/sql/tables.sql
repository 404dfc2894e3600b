-- Names of the database's own tables.
SELECT table_name
FROM duckdb_tables()
WHERE NOT temporary
  AND NOT internal
ORDER BY table_name;
