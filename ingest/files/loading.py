"""Load one file: verify it, unpack it, check its rows, store them in one transaction."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np

from ingest.changes import Change
from ingest.database import run
from ingest.database_errors import in_one_line, interruptible
from ingest.errors import FileError
from ingest.files.archives import DEFAULT_LIMITS, Limits, check_checksum, sha256, unpacked
from ingest.files.kinds import FORMATS, Kind
from ingest.files.node_fills import MarketFills, load_node_fills
from ingest.files.recognise import Source
from ingest.files.staging import Staging
from ingest.store import Store, StoreError, add_batch


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of one file.

    Attributes
    ----------
    source : Source
        The file.
    interval : timedelta or None
        Of the candles that it gives, where that is known.
    rows, added, trades_added : int
        Rows in the file, rows that were new to the database, trades that were kept.
    missing, repeated, conflicting : int
        Rows without a value, rows that repeat another, and repeated stamps with other values, of
        which the last was taken.
    first, last : datetime or None
        Time of the first and last row. [UTC]
    known : bool
        Whether it had been loaded before, so that nothing was read.
    """

    source: Source
    interval: timedelta | None = None
    rows: int = 0
    added: int = 0
    trades_added: int = 0
    missing: int = 0
    repeated: int = 0
    conflicting: int = 0
    first: datetime | None = None
    last: datetime | None = None
    known: bool = False


def load(
    store: Store,
    source: Source,
    scratch: Path,
    *,
    keep_trades: bool = False,
    limits: Limits = DEFAULT_LIMITS,
    progress: Callable[[int], None] = lambda _: None,
) -> Loaded:
    """Load a file unless its content was loaded before.

    Parameters
    ----------
    store : Store
        Where its rows go.
    source : Source
        The file and what it holds.
    scratch : Path
        Folder to unpack in.
    keep_trades : bool
        Store trades themselves beside the candles made of them.
    limits : Limits
        How much it may unpack to.
    progress : callable
        Told how many bytes of a long file have been read.

    Raises
    ------
    FileError
        If anything is wrong with it; then nothing of it is stored.
    StoreError
        If the database can't take it, for want of space or memory.
    """
    try:
        before = source.path.stat()
        digest = sha256(source.path)
        check_checksum(source.path, digest)
        with _sentences(source), store.cursor() as cursor, _temporary(cursor):
            if source.kind is Kind.NODE_FILLS:
                path, symbol = source.path, source.symbol
                return _of_markets(
                    source,
                    load_node_fills(store, cursor, path, symbol, digest, limits, progress),
                )
            if known(cursor, source, digest, keep_trades=keep_trades):
                return Loaded(source, _interval(source, source.interval_seconds), known=True)
            with unpacked(source.path, scratch, limits) as file:
                staging = Staging(cursor, source, file)
            after = source.path.stat()
            if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                raise FileError(source.path, "a file at rest", "one that changed while it was read")
            staging.shape()
            return _store(store, cursor, source, staging, digest, keep_trades=keep_trades)
    except OSError as e:
        raise FileError(source.path, "a file that can be read", e.strerror or str(e)) from e


def _of_markets(source: Source, markets: Sequence[MarketFills] | None) -> Loaded:
    """Return what came of a file that holds several markets, None if it was loaded before."""
    if markets is None:
        return Loaded(source, known=True)
    return Loaded(
        source,
        rows=sum(market.rows for market in markets),
        added=sum(market.added for market in markets),
        first=min((market.first for market in markets), default=None),
        last=max((market.last for market in markets), default=None),
    )


def _store(
    store: Store,
    cursor: duckdb.DuckDBPyConnection,
    source: Source,
    staging: Staging,
    digest: str,
    *,
    keep_trades: bool,
) -> Loaded:
    """Add the rows and the manifest's row: both or neither."""
    kept = keep_trades and source.kind is Kind.TRADES
    missing, repeated, conflicting = staging.remarks()
    with store.transaction(using=cursor):
        added = add_batch(cursor, FORMATS[source.kind].table)
        trades_added = _keep_trades(cursor, staging) if kept else 0
        if added or trades_added:
            table = FORMATS[source.kind].table
            first = np.datetime64(staging.first.replace(tzinfo=None), "us")
            store.changed(cursor, Change(source.exchange, source.symbol, table, first))
        record = {
            "sha256": digest,
            "kind": source.kind,
            "path": str(source.path),
            "bytes": source.path.stat().st_size,
            "rows_read": staging.rows,
            "rows_added": added + trades_added,
            "first_time": staging.first.replace(tzinfo=None),
            "last_time": staging.last.replace(tzinfo=None),
            "trades_kept": kept,
        }
        run(cursor, "record_file", staging.parameters | record)
    return Loaded(
        source=source,
        interval=_interval(source, staging.parameters.get("interval_seconds")),
        rows=staging.rows,
        added=added,
        trades_added=trades_added,
        missing=missing,
        repeated=repeated,
        conflicting=conflicting,
        first=staging.first,
        last=staging.last,
    )


def _interval(source: Source, seconds: int | None) -> timedelta | None:
    """Return the interval of the candles that a file gives; trades become candles of a minute."""
    if source.kind is Kind.TRADES:
        return timedelta(minutes=1)
    return timedelta(seconds=seconds) if seconds else None


def _keep_trades(cursor: duckdb.DuckDBPyConnection, staging: Staging) -> int:
    row = run(cursor, "keep_trades", staging.parameters).fetchone()
    return int(row[0]) if row else 0


def known(
    cursor: duckdb.DuckDBPyConnection, source: Source, digest: str, *, keep_trades: bool = False
) -> bool:
    """Return whether content of this hash was loaded before, with its trades if they are wanted."""
    key = {
        "sha256": digest,
        "exchange": source.exchange,
        "symbol": source.symbol,
        "kind": source.kind,
    }
    row = run(cursor, "ingested", key).fetchone()
    wants_trades = keep_trades and source.kind is Kind.TRADES
    return row is not None and (bool(row[0]) or not wants_trades)


@contextmanager
def _temporary(cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Drop the cursor's temporary tables at the end."""
    try:
        yield
    finally:
        run(cursor, "drop_staging")


@contextmanager
def _sentences(source: Source) -> Iterator[None]:
    """Raise what DuckDB's errors mean: Ctrl-C, or a machine that has not enough of something."""
    try:
        with interruptible():
            yield
    except (duckdb.IOException, duckdb.OutOfMemoryException) as e:
        raise StoreError(f"Nothing of {source.path} could be stored: {in_one_line(e)}") from e
