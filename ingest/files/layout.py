"""Which column of a file is what, from its first lines."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.errors import FileError
from ingest.files.kinds import FORMATS, TIME, Field, Format, Kind

UNREAD = "unread_"
"""What names of columns that are not read begin with."""

_LONGEST_LINE = 1 << 16
_DATE = re.compile(r"\s*\d{4}[-/]\d")


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read one file.

    Attributes
    ----------
    names : tuple of str
        Our name of each of the file's columns, in its order.
    columns : dict of str to str
        SQL type by name, in the same order.
    header_lines : int
        Lines before the first row.
    dates : bool
        Whether times are written as dates rather than numbers.
    order_sides : bool
        Whether ``side`` is that of the liquidation order, opposite to the position's.
    """

    names: tuple[str, ...]
    columns: dict[str, str]
    header_lines: int
    dates: bool
    order_sides: bool


def csv_layout(path: Path, kind: Kind, csv_file: Path) -> Layout:
    """Return how to read a CSV file.

    Parameters
    ----------
    path : Path
        The file as the reader knows it, for messages.
    kind : Kind
        What it holds.
    csv_file : Path
        The same, unpacked.

    Raises
    ------
    FileError
        If it is empty, or has other columns than its kind.
    """
    first, second = _first_lines(csv_file)
    if not first:
        raise FileError(path, "rows", "an empty file")
    try:
        cells, next_cells = _cells(first), _cells(second)
    except csv.Error as e:
        raise FileError(path, "comma-separated values", str(e), where="line 1") from e
    if _is_header(cells):
        if not second:
            raise FileError(path, "rows below the header", "none", where="line 1")
        return named_layout(path, kind, cells, next_cells)
    expected = FORMATS[kind].archive_columns
    if len(cells) != len(expected):
        raise FileError(
            path,
            f"a header, or the {len(expected)} columns of Binance's archive "
            f"({', '.join(expected)})",
            f"{len(cells)} columns without a header",
            where="line 1",
        )
    return _layout(FORMATS[kind], expected, cells, header_lines=0)


def named_layout(
    path: Path, kind: Kind, header: Sequence[str], first_row: Sequence[str] = ()
) -> Layout:
    """Return how to read a file whose columns have these names.

    Raises
    ------
    FileError
        If columns are unknown, missing or there twice.
    """
    names = [name.strip().lower() for name in header]
    form = FORMATS[kind]
    found = _wrong_columns(form, names)
    if found:
        raise FileError(path, f"the columns {form.wanted()}", found, where="line 1")
    return _layout(form, names, first_row, header_lines=1)


def _wrong_columns(form: Format, names: Sequence[str]) -> str:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        return f"{', '.join(twice)} more than once"
    if unknown := [name for name in names if not form.accepts(name)]:
        return f"the unknown {', '.join(unknown)}"
    missing = [f for f in form.fields if f.required and not set(f.accepted) & set(names)]
    return f"no {', '.join(field.accepted[0] for field in missing)}" if missing else ""


def _layout(
    form: Format, names: Sequence[str], first_row: Sequence[str], *, header_lines: int
) -> Layout:
    fields = {_name_in(field, names): field for field in form.fields}
    fields.pop(None, None)
    dates = any(
        fields[name].type == TIME and _DATE.match(cell)
        for name, cell in zip(names, first_row, strict=False)
        if name in fields
    )
    time_type = "TIMESTAMP" if dates else "BIGINT"
    columns = {}
    for k, name in enumerate(names):
        if field := fields.get(name):
            columns[field.name] = time_type if field.type == TIME else field.type
        else:
            columns[f"{UNREAD}{k}"] = "VARCHAR"
    order_sides = "accumulated_fill_quantity" in names
    return Layout(tuple(columns), columns, header_lines, dates, order_sides)


def _name_in(field: Field, names: Sequence[str]) -> str | None:
    """Return the file's name of a field; where it has several, the one that is ours first."""
    return next((name for name in field.accepted if name in names), None)


def _first_lines(csv_file: Path) -> tuple[str, str]:
    """Return the first two lines that are not blank, empty where there are fewer."""
    lines: list[str] = []
    with csv_file.open("rb") as file:
        while len(lines) < 2 and (line := file.readline(_LONGEST_LINE)):
            if text := line.decode("utf-8-sig", errors="replace").strip("\r\n"):
                lines.append(text)
    return (*lines, "", "")[0], (*lines, "", "")[1]


def _cells(line: str) -> list[str]:
    return next(csv.reader([line]), [])


def _is_header(cells: Sequence[str]) -> bool:
    """Return whether a line names columns: its first cell does not begin a number."""
    return bool(cells) and not re.match(r"\s*[-+.]?\d", cells[0])
