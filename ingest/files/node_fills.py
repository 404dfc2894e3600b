"""Liquidations in files of Hyperliquid's nodes: every fill there was, block by block.

Lines of JSON, packed as LZ4 or not: ``{"block_time": …, "events": [[user, fill], …]}``, and in
older files one ``[user, fill]``.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import duckdb
import lz4.frame
import numpy as np
import orjson

from ingest.adapters.adapter import Context, PayloadError
from ingest.adapters.hyperliquid import Hyperliquid
from ingest.batches import liquidation_columns
from ingest.changes import Change
from ingest.columns import batch
from ingest.database import run
from ingest.errors import FileError
from ingest.files.archives import Limits, at_rest, check_size
from ingest.records import Liquidation
from ingest.store import Store, add_batch

EXCHANGE = Hyperliquid.exchange

ALL = "all markets"
"""Stands for the symbol of a file that is read for every market in it."""

SUFFIXES = (".lz4", ".json", ".jsonl", ".ndjson")

_LZ4 = b"\x04\x22\x4d\x18"
_BEGINNING = 4096
_BLOCK = re.compile(rb'\s*\{[^\[]{0,500}"events"\s*:\s*\[')
_FILL = re.compile(rb'\s*\[\s*"0x[0-9a-fA-F]{40}"\s*,\s*\{')
_WHOLE, _PART = "node-fills", "node-fills of one market"
_LONGEST_LINE = 256 << 20
_TOGETHER = 50_000
_A_LINE = "one block of node fills as JSON"


@dataclass(frozen=True, slots=True)
class MarketFills:
    """What a file of node fills had of one market."""

    symbol: str
    rows: int
    added: int
    first: datetime
    last: datetime


def are_node_fills(path: Path) -> bool:
    """Return whether a file begins like one of node fills.

    Raises
    ------
    FileError
        If it is packed and can't be unpacked.
    """
    with _opened(path) as (file, _):
        beginning = file.read(_BEGINNING)
    return bool(_BLOCK.match(beginning) or _FILL.match(beginning))


def load_node_fills(
    store: Store,
    cursor: duckdb.DuckDBPyConnection,
    path: Path,
    wanted: str,
    digest: str,
    limits: Limits,
    progress: Callable[[int], None] = lambda _: None,
) -> list[MarketFills] | None:
    """Store the liquidations in a file of node fills, with its rows of the manifest.

    Parameters
    ----------
    store : Store
        Where they go: all of them or, where something is wrong, none.
    cursor : DuckDBPyConnection
        One of the store's.
    path : Path
        The file; it is read once, line by line.
    wanted : str
        The symbol of the market wanted, or `ALL`.
    digest : str
        The file's hash.
    limits : Limits
        How much it may unpack to.
    progress : callable
        Told how many bytes of the file have been read.

    Returns
    -------
    list of MarketFills or None
        By symbol; None if the file was loaded before.
    """
    key = {"sha256": digest, "exchange": EXCHANGE, "symbol": wanted}
    row = run(cursor, "ingested_node_fills", key | {"whole": _WHOLE, "part": _PART}).fetchone()
    if row and row[0]:
        return None
    with at_rest(path):
        _stage(cursor, path, wanted, limits, progress)
    with store.transaction(using=cursor):
        rows = run(cursor, "node_fill_markets").fetchall()
        markets = [
            MarketFills(symbol, count, added, _aware(first), _aware(last))
            for symbol, count, added, first, last in rows
        ]
        add_batch(cursor, "liquidations")
        for market in markets:
            _record(cursor, path, digest, market, _WHOLE if wanted == ALL else _PART)
            if market.added:
                first = np.datetime64(market.first.replace(tzinfo=None), "us")
                store.changed(cursor, Change(EXCHANGE, market.symbol, "liquidations", first))
    return markets


def _stage(
    cursor: duckdb.DuckDBPyConnection,
    path: Path,
    wanted: str,
    limits: Limits,
    progress: Callable[[int], None],
) -> None:
    """Put a file's liquidations into the temporary table ``batch``, so many at a time."""
    run(cursor, "new_node_fills")
    found: list[Liquidation] = []
    for some in _liquidations(path, wanted, limits, progress):
        found += some
        if len(found) >= _TOGETHER:
            _add(cursor, found)
            found.clear()
    if found:
        _add(cursor, found)


def _add(cursor: duckdb.DuckDBPyConnection, found: Sequence[Liquidation]) -> None:
    # They were not received as they happened.
    columns = liquidation_columns(found) | {"received_at": np.datetime64("NaT", "us")}
    cursor.register("found", batch("liquidations", columns))
    run(cursor, "stage_node_fills")
    cursor.unregister("found")


def _liquidations(
    path: Path, wanted: str, limits: Limits, progress: Callable[[int], None]
) -> Iterator[Sequence[Liquidation]]:
    adapter, received = Hyperliquid(), datetime.now(UTC)
    context = Context(symbols=None if wanted == ALL else frozenset({wanted}))
    packed_size = path.stat().st_size
    with _opened(path) as (file, packed):
        size = number = 0
        while line := file.readline(_LONGEST_LINE):
            number, size = number + 1, size + len(line)
            check_size(path, size, packed_size, limits)
            progress(packed.tell())
            if not line.strip():
                continue
            try:
                # Few blocks have any; the others need only be whole.
                if b'"liquidation"' in line:
                    yield adapter.read_node_fills(line, received, context).liquidations
                elif not _is_whole(line):
                    raise _bad_line(path, number, line)
            except PayloadError as e:
                raise FileError(path, _A_LINE, e.problem, f"line {number}") from e


def _is_whole(line: bytes) -> bool:
    try:
        block = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    events = block.get("events") if isinstance(block, dict) else block
    return isinstance(events, list)


def _bad_line(path: Path, number: int, line: bytes) -> FileError:
    found = line[:200].decode(errors="replace").strip()
    return FileError(path, _A_LINE, found, f"line {number}")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Yield a file as it reads unpacked, and as it lies there."""
    with path.open("rb") as packed:
        is_packed = packed.read(len(_LZ4)) == _LZ4
        packed.seek(0)
        if not is_packed and path.suffix.lower() == ".lz4":
            raise FileError(path, "a whole lz4 file", "one that does not begin like any")
        try:
            yield (lz4.frame.open(packed) if is_packed else packed), packed
        except (EOFError, RuntimeError) as e:
            if "interrupt" in str(e).lower():  # of the database, by Ctrl-C
                raise
            raise FileError(path, "a whole lz4 file", f"a broken one: {e}") from e


def _record(
    cursor: duckdb.DuckDBPyConnection, path: Path, digest: str, market: MarketFills, kind: str
) -> None:
    record: dict[str, Any] = {
        "sha256": digest,
        "exchange": EXCHANGE,
        "symbol": market.symbol,
        "kind": kind,
        "path": str(path),
        "bytes": path.stat().st_size,
        "rows_read": market.rows,
        "rows_added": market.added,
        "first_time": market.first.replace(tzinfo=None),
        "last_time": market.last.replace(tzinfo=None),
        "trades_kept": False,
    }
    run(cursor, "record_file", record)


def _aware(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC)
