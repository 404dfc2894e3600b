-- The rows of a CSV file as they stand in it, in its order.
CREATE TEMP TABLE staging AS
SELECT COLUMNS(lambda name: NOT starts_with(name, 'unread_'))
FROM read_csv(
    $path,
    columns = $columns,
    skip = $header_lines,
    header = false,
    auto_detect = false,
    delim = ',',
    quote = '"',
    escape = '"',
    nullstr = '',
    strict_mode = true
);
