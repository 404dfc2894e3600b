"""A lake: what a database holds as Parquet files that any program can read.

Layout and columns are in ``docs/lake.md``. `ingest.lake_export` and `ingest.lake_import` write one
and take one in; workers read one market of it here.
"""

import glob
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, unquote

import duckdb
import orjson
from pydantic import BaseModel, NonNegativeInt, PositiveInt, ValidationError

from ingest.database import migrations, run, statement
from ingest.database_errors import in_one_line, interruptible
from ingest.errors import FileError
from ingest.store import Store, StoreError

FORMAT = "liqheat lake"
FORMAT_VERSION = 1
CONTENTS = "lake.json"
"""Says of a folder that it is a lake, and what it holds."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A table whose rows a lake holds.

    Attributes
    ----------
    name : str
        Of the table, and of the lake's folder.
    time : str or None
        Column whose month (UTC) names the partition; None where a market is one partition.
    key : tuple of str
        What tells rows that a market has from those that it has not; empty if only all columns
        and their number do.
    add : str
        Statement that adds the rows of ``batch`` that are not stored yet.
    """

    name: str
    time: str | None
    key: tuple[str, ...]
    add: str = "lake_add_by_key"

    @property
    def order(self) -> str:
        """Columns that rows are written by: time first, so that readers can skip row groups."""
        return ", ".join(dict.fromkeys((self.time, *self.key) if self.time else self.key))

    def statement(self, name: str, **words: str) -> str:
        """Return a statement that is the same for all tables, for this one."""
        return statement(name).format(
            table=self.name, key=", ".join(self.key), order=self.order, **words
        )


KINDS = {
    kind.name: kind
    for kind in (
        Kind("candles", "open_time", ("interval_seconds", "open_time")),
        Kind("mark_candles", "open_time", ("interval_seconds", "open_time")),
        Kind("open_interest", "time", ("time",)),
        Kind("funding_rates", "time", ("time",)),
        Kind(
            "liquidations",
            "time",
            ("time", "side", "quantity", "price", "trade_id"),
            "lake_add_liquidations",
        ),
        Kind("trades", "time", ("trade_id",)),
        Kind("leverage_tiers", None, ("valid_from", "floor"), "lake_add_leverage_tiers"),
        Kind(
            "observed_positions",
            "first_seen",
            ("first_seen", "address"),
            "lake_add_observed_positions",
        ),
        Kind("simulated_positions", "opened", (), "lake_add_repeatable"),
        Kind("ingested_files", None, ("sha256", "kind"), "lake_add_ingested_files"),
    )
}

LEFT_OUT = frozenset(
    {
        # About one database or one running program.
        "schema_migrations",
        "meta",
        "market_revisions",
        "exchange_health",
        # Computed from the rest, and computed anew elsewhere.
        "snapshot_series",
        "snapshot_pieces",
        "snapshot_checkpoints",
        "snapshot_totals",
        "liquidation_snapshots",
        "position_events",
        "scores",
        "calibrations",
        "fits",
    }
)
"""Tables that a lake does not hold."""

WORKER_KINDS = ("candles", "mark_candles", "open_interest", "funding_rates", "leverage_tiers")
"""What a market is computed from."""


class LakeMarket(BaseModel):
    """One market of a lake: how often it had changed when written, and its rows of each kind."""

    exchange: str
    symbol: str
    revision: NonNegativeInt
    rows: dict[str, NonNegativeInt]


class Contents(BaseModel):
    """What ``lake.json`` says."""

    format: str = FORMAT
    format_version: PositiveInt = FORMAT_VERSION
    schema_version: NonNegativeInt
    program_version: str
    written_at: str
    simulated: bool
    database_id: str
    rows: dict[str, NonNegativeInt]
    markets: list[LakeMarket]


@dataclass(frozen=True, slots=True)
class Part:
    """One partition: a folder of Parquet files with rows of one kind, market and month."""

    kind: Kind
    exchange: str
    symbol: str
    folder: Path
    files: tuple[Path, ...]

    @property
    def path(self) -> Path:
        """What an error names."""
        return self.files[0] if len(self.files) == 1 else self.folder

    @property
    def bytes(self) -> int:
        """Size of the files."""
        return sum(file.stat().st_size for file in self.files)

    def parameters(self) -> dict[str, Any]:
        """Return what the statements need to know; DuckDB takes names for patterns."""
        files = [glob.escape(str(file)) for file in self.files]
        return {"exchange": self.exchange, "symbol": self.symbol, "files": files}


@dataclass(frozen=True)
class Lake:
    """A lake's folder, and what its ``lake.json`` says it holds."""

    folder: Path
    contents: Contents

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read ``lake.json``; `FileError` if this is no lake, or one of a newer program."""
        path = folder / CONTENTS
        try:
            said = orjson.loads(path.read_bytes())
        except OSError as e:
            found = e.strerror or str(e)
            expected = 'a file that says what a lake holds, as "liqheat lake export DIR" writes it'
            raise FileError(path, expected, found) from e
        except orjson.JSONDecodeError as e:
            raise FileError(path, "the contents of a lake as JSON", str(e)) from e
        if not isinstance(said, dict) or said.get("format") != FORMAT:
            raise FileError(path, f'"format": "{FORMAT}"', "something else")
        _check_version(path, "format_version", said, FORMAT_VERSION)
        _check_version(path, "schema_version", said, len(migrations()))
        try:
            return cls(folder, Contents.model_validate(said))
        except ValidationError as e:
            error = e.errors()[0]
            where = ".".join(map(str, error["loc"]))
            raise FileError(path, "the contents of a lake", error["msg"], where) from e

    @cached_property
    def markets(self) -> dict[tuple[str, str], LakeMarket]:
        """Markets by exchange and symbol."""
        return {(market.exchange, market.symbol): market for market in self.contents.markets}

    def parts(self) -> list[Part]:
        """Return all partitions; `FileError` if something lies there that is none."""
        found = [part for kind in self._kinds() for part in _parts(kind, self.folder / kind.name)]
        for part in found:
            if (part.exchange, part.symbol) not in self.markets:
                raise FileError(part.folder, f"a market that {CONTENTS} lists", "another one")
        return found

    def market_parts(self, exchange: str, symbol: str, kinds: Iterable[str] = KINDS) -> list[Part]:
        """Return one market's partitions of these kinds, looking into no other market's."""
        return [
            part
            for name in kinds
            for part in _parts(KINDS[name], self.folder / name, (exchange, symbol))
        ]

    def check(
        self,
        cursor: duckdb.DuckDBPyConnection,
        parts: Iterable[Part],
        markets: Iterable[LakeMarket],
        kinds: Iterable[str] = KINDS,
    ) -> None:
        """Check the columns of files, and that nothing of these markets and kinds got lost.

        Raises
        ------
        FileError
            For the first file that can't be read, lacks a column or has one too many; or if the
            rows of a market and kind are not as many as ``lake.json`` says.
        """
        columns = {kind: _columns(cursor, kind) for kind in kinds}
        rows: Counter[tuple[str, str, str]] = Counter()
        for part in parts:
            named = (part.exchange, part.symbol, part.kind.name)
            rows[named] += self._checked_rows(cursor, part, columns[part.kind.name])
        for market, kind in product(markets, kinds):
            wanted = market.rows.get(kind, 0)
            found = rows[market.exchange, market.symbol, kind]
            if found != wanted:
                expected = f"{wanted:,} rows of {market.symbol} on {market.exchange} as written"
                raise FileError(self.folder / kind, expected, f"{found:,}")

    def _kinds(self) -> Iterator[Kind]:
        for child in _visible(self.folder):
            if child.name == CONTENTS:
                continue
            if child.name not in KINDS or not child.is_dir():
                raise FileError(child, f"one of the folders {', '.join(KINDS)}", "another name")
            yield KINDS[child.name]

    def _checked_rows(
        self, cursor: duckdb.DuckDBPyConnection, part: Part, wanted: dict[str, bool]
    ) -> int:
        older = self.contents.schema_version < len(migrations())
        needed = {name for name, nullable in wanted.items() if not (older and nullable)}
        rows = 0
        for file in part.files:
            parameters = {"file": glob.escape(str(file))}
            with reading(file):
                has = {name for (name, *_) in run(cursor, "lake_describe", parameters).fetchall()}
                rows += run(cursor, "lake_file_rows", parameters).fetchall()[0][0]
            if missing := sorted(needed - has):
                raise FileError(file, f"the column {', '.join(missing)}", "none of that name")
            if unknown := sorted(has - wanted.keys()):
                raise FileError(file, f"columns {', '.join(wanted)}", ", ".join(unknown))
        return rows


def lake_markets(folder: Path) -> list[tuple[str, str]]:
    """Return exchange and symbol of a lake's markets, in the order of their names."""
    return sorted(Lake.open(folder).markets)


def read_market(folder: Path, exchange: str, symbol: str) -> Store:
    """Return a database in memory with one market of a lake, for computing.

    Parameters
    ----------
    folder : Path
        The lake.
    exchange, symbol : str
        The market. No file of another one is read.

    Returns
    -------
    Store
        With candles, mark-price candles, open interest, funding rates and leverage tiers. Its
        watermark of the market is what that of the lake's database was when the lake was written,
        so that a result is known by the same key on both sides.

    Raises
    ------
    FileError
        If the lake is broken or has no such market.
    """
    lake = Lake.open(folder)
    market = lake.markets.get((exchange, symbol))
    if market is None:
        raise FileError(
            folder / CONTENTS, f"the market {symbol} on {exchange}", f"{len(lake.markets)} others"
        )
    store = Store.open(":memory:")
    try:
        with store.transaction() as cursor:
            parts = lake.market_parts(exchange, symbol, WORKER_KINDS)
            lake.check(cursor, parts, [market], WORKER_KINDS)
            for part in parts:
                add_part(cursor, part)
            run(cursor, "set_meta", {"key": "database_id", "value": lake.contents.database_id})
            set_simulated(cursor, lake.contents.simulated)
            run(cursor, "lake_set_revision", market.model_dump())
    except BaseException:
        store.close()
        raise
    return store


def add_part(cursor: duckdb.DuckDBPyConnection, part: Part) -> int:
    """Add a partition's rows that are not stored yet; return how many there were."""
    cursor.execute(part.kind.statement("lake_new_batch"))
    with reading(part.path):
        run(cursor, "lake_fill_batch", part.parameters())
    if part.kind.name == "candles":
        run(cursor, "drop_poorer_candles")
    market = {"exchange": part.exchange, "symbol": part.symbol}
    try:
        row = cursor.execute(part.kind.statement(part.kind.add), market).fetchone()
    except duckdb.ConstraintException as e:
        raise FileError(part.path, f"rows of {part.kind.name}", in_one_line(e)) from e
    return int(row[0]) if row else 0


def set_simulated(cursor: duckdb.DuckDBPyConnection, simulated: bool) -> None:
    """Take over whether the data are simulated, if that says anything new."""
    row = run(cursor, "meta", {"key": "simulated"}).fetchone()
    if (row is not None and row[0] == "true") != simulated:
        run(cursor, "set_meta", {"key": "simulated", "value": str(simulated).lower()})


def folder_of(kind: Kind, exchange: str, symbol: str, month: str | None) -> Path:
    """Return where a partition lies in its lake; names are percent-encoded as in addresses."""
    folder = Path(kind.name, f"exchange={_encoded(exchange)}", f"symbol={_encoded(symbol)}")
    return folder / f"month={month}" if month else folder


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise what DuckDB's errors mean while it reads a file."""
    try:
        with interruptible():
            yield
    except duckdb.OutOfMemoryException as e:
        raise StoreError(f"{path} could not be read: {in_one_line(e)}") from e
    except duckdb.ConversionException as e:
        raise FileError(path, "values of the types of the table", in_one_line(e)) from e
    except duckdb.Error as e:
        raise FileError(path, "a whole Parquet file", in_one_line(e)) from e


def _columns(cursor: duckdb.DuckDBPyConnection, kind: str) -> dict[str, bool]:
    """Return the columns that files of a kind have, and whether each may be empty."""
    return dict(run(cursor, "lake_columns", {"table": kind}).fetchall())


def _parts(kind: Kind, folder: Path, market: tuple[str, str] | None = None) -> Iterator[Part]:
    if not folder.is_dir():
        return
    for exchange, of_exchange in _named(folder, "exchange"):
        if market and exchange != market[0]:
            continue
        for symbol, of_symbol in _named(of_exchange, "symbol"):
            if market and symbol != market[1]:
                continue
            months = _named(of_symbol, "month") if kind.time else [("", of_symbol)]
            for _, part in months:
                yield Part(kind, exchange, symbol, part, _files(part))


def _named(folder: Path, name: str) -> Iterator[tuple[str, Path]]:
    """Yield the values and paths of the folders ``name=value``."""
    for child in _visible(folder):
        match = re.fullmatch(f"{name}=(.*)", child.name, re.DOTALL)
        if not match or not child.is_dir():
            raise FileError(child, f"folders named {name}=…", "something else")
        yield unquote(match[1]), child


def _files(folder: Path) -> tuple[Path, ...]:
    files = tuple(_visible(folder))
    for file in files:
        if file.suffix != ".parquet" or file.is_dir():
            raise FileError(file, "Parquet files only", "something else")
    return files


def _visible(folder: Path) -> list[Path]:
    """Return what lies in a folder, without what file managers and other writers leave there."""
    return sorted(child for child in folder.iterdir() if not child.name.startswith((".", "_")))


def _encoded(value: str) -> str:
    return quote(value, safe="")


def _check_version(path: Path, name: str, said: dict[str, Any], known: int) -> None:
    version = said.get(name)
    if not isinstance(version, int):
        raise FileError(path, f"a number as {name}", repr(version))
    if version > known:
        raise FileError(path, f"{name} {known} or less (a newer liqheat reads it)", str(version))
