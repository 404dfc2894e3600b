"""Maps written to files that other programs read."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import duckdb
from numpy.typing import NDArray

from ingest.database import statement
from ingest.database_errors import in_one_line

Format = Literal["csv", "parquet", "json"]

_COPY = {
    "csv": "(SELECT * FROM map_as_text) TO '{target}' (FORMAT csv, HEADER true)",
    "parquet": "map TO '{target}' (FORMAT parquet, KV_METADATA $about)",
    "json": "(SELECT * FROM map_as_text) TO '{target}' (FORMAT json, ARRAY true)",
}


def write_map(
    path: Path,
    file_format: Format,
    chunks: Iterable[Mapping[str, NDArray[Any]]],
    about: Mapping[str, str],
) -> int:
    """Write a map (the exporter), piece after piece, to one file and return the number of rows.

    The file appears whole or not at all. NaN becomes empty (null); times are UTC.

    Parameters
    ----------
    path : Path
        Replaced if it exists.
    file_format : {"csv", "parquet", "json"}
        Comma-separated with a header, Parquet, or an array of JSON objects.
    chunks : iterable of mapping of str to ndarray
        Columns of the exporter; at least one piece.
    about : mapping of str to str
        What the map is, by name: the metadata of a Parquet file. The others have no place for it.

    Raises
    ------
    OSError
        If the file can't be written.
    """
    unfinished = path.with_name(f".{path.name}.part")
    rows = 0
    try:
        with duckdb.connect(":memory:") as connection:
            connection.execute("SET GLOBAL TimeZone = 'UTC'")
            for number, chunk in enumerate(chunks):
                connection.register("batch", dict(chunk))
                connection.execute(statement("add_to_map" if number else "new_map"))
                connection.unregister("batch")
                rows += len(next(iter(chunk.values())))
            target = str(unfinished).replace("'", "''")  # COPY takes no parameter for its target
            connection.execute(statement("map_as_text"))
            copy = f"COPY {_COPY[file_format].format(target=target)}"
            connection.execute(copy, {"about": dict(about)} if "$about" in copy else None)
        unfinished.replace(path)
    except duckdb.Error as e:
        raise OSError(f"{path} can't be written: {in_one_line(e)}") from e
    finally:
        unfinished.unlink(missing_ok=True)
    return rows
