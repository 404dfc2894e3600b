"""Tables as the bytes of files that other programs read."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import duckdb
import numpy as np
from numpy.typing import NDArray

TableFormat = Literal["csv", "parquet"]

_SECONDS, _MILLISECONDS = "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%gZ"


def table_bytes(columns: Mapping[str, NDArray[Any]], file_format: TableFormat) -> bytes:
    """Return columns of one length as a file; NaN becomes empty (null), times are UTC.

    Parameters
    ----------
    columns : mapping of str to ndarray, shape (n,)
        Times are datetime64[us].
    file_format : {"csv", "parquet"}
        Comma-separated with a header, or Parquet.
    """
    numbers = [name for name, column in columns.items() if column.dtype.kind == "f"]
    shown = ", ".join(f'nullif("{name}", \'nan\') AS "{name}"' for name in numbers)
    replaced = f" REPLACE ({shown})" if numbers else ""
    with TemporaryDirectory() as folder, duckdb.connect(":memory:") as connection:
        # Columns are named by this program, and the folder by the system: neither by a caller.
        path = Path(folder, "table")
        target = str(path).replace("'", "''")
        connection.register("rows", dict(columns))
        connection.execute(
            f"COPY (SELECT *{replaced} FROM rows) TO '{target}' {_options(columns, file_format)}"
        )
        return path.read_bytes()


def _options(columns: Mapping[str, NDArray[Any]], file_format: TableFormat) -> str:
    if file_format == "parquet":
        return "(FORMAT parquet, COMPRESSION zstd)"
    times = [column[~np.isnat(column)] for column in columns.values() if column.dtype.kind == "M"]
    whole = all((known == known.astype("datetime64[s]")).all() for known in times)
    shown = _SECONDS if whole else _MILLISECONDS
    return f"(FORMAT csv, HEADER true, TIMESTAMPFORMAT '{shown}')"
