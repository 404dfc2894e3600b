"""One file's rows in a temporary table: reading, checking, shaping them."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from ingest.database import run, statement
from ingest.database_errors import in_one_line
from ingest.errors import FileError
from ingest.files.kinds import Kind
from ingest.files.layout import UNREAD, Layout, csv_layout, named_layout
from ingest.files.recognise import Source
from ingest.intervals import SECONDS, interval_from_spacing

_EARLIEST = datetime(2009, 1, 3, tzinfo=UTC).timestamp()
_LATEST = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
_MICROS = (1_000_000, 1_000, 1)
"""Microseconds in each unit in which times are written."""

_LINE = re.compile(r"CSV Error on Line: (\d+)")
_CONVERSION = re.compile(r'converting column "(\w+)". Could not convert string "(.*)" to \'(\w+)\'')
_COUNT = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")
_TYPES = {"DOUBLE": "a number", "BIGINT": "a whole number", "BOOLEAN": "true or false"}
_TYPES |= {"TIMESTAMP": "YYYY-MM-DD hh:mm:ss"}
_TIMES = "whole seconds, milliseconds or microseconds since 1970, or YYYY-MM-DD hh:mm:ss"
_WITH_INTERVAL = (Kind.CANDLES, Kind.MARK_CANDLES)
_COMPLETED = (Kind.CANDLES, Kind.METRICS, Kind.FUNDING)
_REMARKED = (Kind.METRICS, Kind.LIQUIDATIONS)


class Staging:
    """The rows of one file, held in temporary tables of a cursor until they are stored.

    Parameters
    ----------
    cursor : DuckDBPyConnection
        The cursor; it holds one file at a time.
    source : Source
        What the file holds.
    file : Path
        The file, unpacked.

    Attributes
    ----------
    parameters : dict
        What the statements of the file's kind need to know.
    rows : int
        Number of rows.
    first, last : datetime
        Time of the first and last row. [UTC]

    Raises
    ------
    FileError
        If rows can't be read or make no sense.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection, source: Source, file: Path) -> None:
        self._cursor, self._source, self._file = cursor, source, file
        self._parquet = source.path.suffix.lower() == ".parquet"
        run(cursor, "drop_staging")
        self._layout = self._stage()
        self.parameters: dict[str, Any] = {
            "exchange": source.exchange,
            "symbol": source.symbol,
            "order_sides": self._layout.order_sides,
        }
        self._measure_time()
        if source.kind in _WITH_INTERVAL:
            self._measure_interval()
        if source.kind in _COMPLETED:
            run(cursor, f"complete_{source.kind}")
        self._check()
        self.rows, first, last = self._one("span")
        self.first, self.last = first.replace(tzinfo=UTC), last.replace(tzinfo=UTC)

    def remarks(self) -> tuple[int, int, int]:
        """Return numbers of empty rows, repeated rows, and stamps with several values."""
        if self._source.kind not in _REMARKED:
            return 0, 0, 0
        missing, repeated, conflicting = self._one(f"remarks_{self._source.kind}")
        return missing, repeated, conflicting

    def shape(self) -> None:
        """Make the temporary table ``batch``: the rows as they are stored."""
        self._run(f"batch_{self._source.kind}")

    # Reading

    def _stage(self) -> Layout:
        return self._stage_parquet() if self._parquet else self._stage_csv()

    def _stage_csv(self) -> Layout:
        layout = csv_layout(self._source.path, self._source.kind, self._file)
        parameters = {
            "path": str(self._file),
            "columns": layout.columns,
            "header_lines": layout.header_lines,
        }
        try:
            self._cursor.execute(statement("stage_csv"), parameters)
        except (duckdb.ConversionException, duckdb.InvalidInputException) as e:
            raise self._reading_error(str(e)) from e
        if layout.dates:
            run(self._cursor, "number_dates")
        return layout

    def _stage_parquet(self) -> Layout:
        try:
            relation = self._cursor.read_parquet(str(self._file))
        except duckdb.Error as e:
            raise FileError(self._source.path, "a whole Parquet file", in_one_line(e)) from e
        layout = named_layout(self._source.path, self._source.kind, relation.columns)
        dates = any(
            ours == "time" and str(type_).startswith(("TIMESTAMP", "DATE"))
            for ours, type_ in zip(layout.names, relation.types, strict=True)
        )
        columns = [
            duckdb.ColumnExpression(theirs)
            .cast("TIMESTAMP" if ours == "time" and dates else layout.columns[ours])
            .alias(ours)
            for theirs, ours in zip(relation.columns, layout.names, strict=True)
            if not ours.startswith(UNREAD)
        ]
        try:
            relation.select(*columns).query("source", statement("stage_source"))
        except duckdb.Error as e:
            raise FileError(self._source.path, "columns of numbers", in_one_line(e)) from e
        if dates:
            run(self._cursor, "number_dates")
        return layout

    def _reading_error(self, reason: str) -> FileError:
        """Return what DuckDB says about a CSV file in our words."""
        line = _LINE.search(reason)
        where = f"line {line[1]}" if line else ""
        expected, found = "rows of comma-separated values", reason.splitlines()[0]
        if match := _CONVERSION.search(reason):
            is_time = match[1] == "time" and match[3] == "BIGINT"
            expected = f"{_TIMES if is_time else _TYPES.get(match[3], match[3])} for {match[1]}"
            found = repr(match[2])
        elif match := _COUNT.search(reason):
            expected, found = f"{match[1]} columns", match[2]
        elif "unterminated quote" in reason:
            expected, found = "quotes in pairs", "one that is not closed"
        return FileError(self._source.path, expected, found, where)

    # Measuring

    def _measure_time(self) -> None:
        row = self._cursor.execute(statement("first_time")).fetchone()
        if row is None:
            raise FileError(self._source.path, "rows", "none")
        for micros in _MICROS:
            bounds = _EARLIEST * 1e6 / micros, _LATEST * 1e6 / micros
            if row[0] is not None and bounds[0] <= row[0] < bounds[1]:
                break
        else:
            raise self._row_error(0, f"a time after 2009 in {_TIMES}")
        self.parameters |= {"micros": micros, "earliest": bounds[0], "latest": bounds[1]}

    def _measure_interval(self) -> None:
        seconds = self._source.interval_seconds
        if seconds is None:
            (spacing,) = self._one("spacing")
            if spacing is None:
                raise FileError(
                    self._source.path, "two candles or more, or --interval", "a single candle"
                )
            if (seconds := interval_from_spacing(spacing)) is None:
                raise FileError(
                    self._source.path,
                    f"candles {', '.join(SECONDS)} apart",
                    f"most of them {spacing:g} s apart",
                )
        grid = seconds * 1_000_000 // self.parameters["micros"] if seconds <= 86_400 else 0
        self.parameters |= {"interval_seconds": seconds, "grid": grid}

    # Checking

    def _check(self) -> None:
        if "symbol" in self._layout.names:
            self._check_rows("wrong_symbol")
        self._check_rows(f"problems_{self._source.kind}")
        if self._source.assumed and not self._one("volumes")[0]:
            raise FileError(
                self._source.path,
                "volumes, which candles of last prices have (say --kind mark-candles for others)",
                "0 in every row",
            )

    def _check_rows(self, name: str) -> None:
        """Raise for the first row that the statement found; its columns name what it expected."""
        rows = self._one(name)
        expectations = [column[0] for column in self._cursor.description or ()]
        failed = [(row, k) for k, row in enumerate(rows) if row is not None]
        if failed:
            row, k = min(failed)
            raise self._row_error(row, expectations[k])

    def _row_error(self, row: int, expected: str) -> FileError:
        """Look a row up in the file, which takes a while, to say where it stands."""
        if self._parquet:
            values = self._cursor.execute(statement("staged_row"), {"row": row}).fetchone()
            return FileError(self._source.path, expected, str(values), f"row {row + 1}")
        line, text = _line_of_row(self._file, row, self._layout.header_lines)
        return FileError(self._source.path, expected, text, f"line {line}")

    def _run(self, name: str) -> duckdb.DuckDBPyConnection:
        return run(self._cursor, name, self.parameters)

    def _one(self, name: str) -> tuple[Any, ...]:
        return self._run(name).fetchone() or ()


def _line_of_row(file: Path, row: int, header_lines: int) -> tuple[int, str]:
    """Return number and text of the line that holds a row; blank lines hold none."""
    seen = -header_lines
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            if seen == row:
                return number, line.decode("utf-8", errors="replace").strip()
            seen += 1
    raise LookupError(f"{file} has no row {row}")
