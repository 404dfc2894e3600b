"""Write a database, or some of its markets, as a lake: the folder appears whole or not at all."""

import ctypes
import os
import re
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import orjson

from ingest.database import run, schema_version
from ingest.database_errors import in_one_line, interruptible
from ingest.errors import FileError
from ingest.lake import (
    CONTENTS,
    KINDS,
    Contents,
    Kind,
    Lake,
    LakeMarket,
    folder_of,
)
from ingest.store import Store

FILE = "part.parquet"

_HERE = -100
_SWAP = 2


class NothingStored(LookupError):
    """There is nothing of what was asked for; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One partition to write."""

    kind: Kind
    exchange: str
    symbol: str
    month: str | None
    rows: int


def check_target(folder: Path, *, replace: bool) -> None:
    """Raise `ValueError` unless a lake may be written to a folder."""
    folder = folder.resolve()
    if not folder.parent.is_dir():
        raise ValueError(f"the folder of {folder} does not exist; make it, or choose another")
    if not os.path.lexists(folder):
        return
    if not _is_lake(folder):
        raise ValueError(
            f"{folder} is there already and is not a lake, or not only one; it is left as it is. "
            "Choose another folder"
        )
    if not replace:
        raise ValueError(f"{folder} holds a lake already; say --replace, or choose another folder")


def write_lake(
    store: Store,
    folder: Path,
    *,
    exchanges: Sequence[str] = (),
    symbol: str | None = None,
    replace: bool = False,
    program_version: str,
    now: datetime,
    report: Callable[[Planned, int], None] = lambda part, total: None,
) -> Contents:
    """Write markets as a lake and return what it holds.

    Parameters
    ----------
    store : Store
        Read as of one moment.
    folder : Path
        Where the lake appears, once it is complete.
    exchanges, symbol : sequence of str, str or None
        Markets; all if not told.
    replace : bool
        Whether a lake that lies there gives way.
    program_version : str
        For ``lake.json``.
    now : datetime
        Aware; for ``lake.json``.
    report : callable
        Told of each partition when it is written, and of the number of rows in all.

    Raises
    ------
    ValueError
        If something else than a lake is there, or a lake that may not be replaced.
    NothingStored
        If nothing is stored of the symbol, or of it on one of the exchanges.
    OSError
        If it can't be written.
    """
    folder = folder.resolve()
    _finish_replacement(folder)
    check_target(folder, replace=replace)
    with _writing(folder), _unfinished(folder) as unfinished, store.cursor() as cursor:
        cursor.execute("BEGIN")  # so that all statements see one moment
        plan = _plan(cursor, exchanges, symbol)
        _check_wanted(plan, exchanges, symbol)
        total = sum(part.rows for part in plan)
        for part in plan:
            _write(cursor, part, unfinished)
            report(part, total)
        contents = _contents(cursor, plan, program_version, now)
        text = orjson.dumps(contents.model_dump(), option=orjson.OPT_INDENT_2)
        (unfinished / CONTENTS).write_bytes(text + b"\n")
        check_target(folder, replace=replace)  # it took a while
        _put_in_place(unfinished, folder)
    return contents


def _plan(
    cursor: duckdb.DuckDBPyConnection, exchanges: Sequence[str], symbol: str | None
) -> list[Planned]:
    wanted = {"exchanges": list(exchanges), "symbol": symbol}
    return [
        Planned(kind, *row)
        for kind in KINDS.values()
        for row in cursor.execute(
            kind.statement(
                "lake_parts", month=f"strftime({kind.time}, '%Y-%m')" if kind.time else "NULL"
            ),
            wanted,
        ).fetchall()
    ]


def _check_wanted(plan: Sequence[Planned], exchanges: Sequence[str], symbol: str | None) -> None:
    missing = sorted(set(exchanges) - {part.exchange for part in plan})
    if missing or (symbol and not plan):
        of = f" of {symbol}" if symbol else ""
        on = f" on {', '.join(missing)}" if missing else ""
        raise NothingStored(f'Nothing{of}{on} is stored yet. Load some with "liqheat ingest PATH".')


def _write(cursor: duckdb.DuckDBPyConnection, part: Planned, root: Path) -> None:
    folder = root / folder_of(part.kind, part.exchange, part.symbol, part.month)
    folder.mkdir(parents=True)
    parameters = {"exchange": part.exchange, "symbol": part.symbol}
    within = ""
    if part.month:
        parameters["month"] = f"{part.month}-01"
        start = "$month::TIMESTAMP"
        within = (
            f"AND {part.kind.time} >= {start} AND {part.kind.time} < {start} + INTERVAL 1 MONTH"
        )
    target = str(folder / FILE).replace("'", "''")
    cursor.execute(part.kind.statement("lake_copy", within=within, target=target), parameters)


def _contents(
    cursor: duckdb.DuckDBPyConnection,
    plan: Sequence[Planned],
    program_version: str,
    now: datetime,
) -> Contents:
    revisions = {
        (exchange, symbol): revision
        for _, exchange, symbol, revision, _ in run(cursor, "revisions").fetchall()
    }
    rows: Counter[str] = Counter()
    by_market: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for part in plan:
        rows[part.kind.name] += part.rows
        by_market[part.exchange, part.symbol][part.kind.name] += part.rows
    return Contents(
        schema_version=schema_version(cursor),
        program_version=program_version,
        written_at=now.astimezone(UTC).isoformat(timespec="seconds"),
        simulated=_meta(cursor, "simulated") == "true",
        database_id=_meta(cursor, "database_id"),
        rows=rows,
        markets=[
            LakeMarket(exchange=key[0], symbol=key[1], revision=revisions.get(key, 0), rows=of_kind)
            for key, of_kind in sorted(by_market.items())
        ],
    )


def _meta(cursor: duckdb.DuckDBPyConnection, key: str) -> str:
    row = run(cursor, "meta", {"key": key}).fetchone()
    return str(row[0]) if row else ""


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Raise what DuckDB's errors mean while it writes: Ctrl-C, or no space."""
    try:
        with interruptible():
            yield
    except duckdb.Error as e:
        raise OSError(f"{path} can't be written: {in_one_line(e)}") from e


# The folder


def _is_lake(folder: Path) -> bool:
    """Return whether a folder holds a lake and nothing else, so that it may be replaced."""
    try:
        Lake.open(folder).parts()
        hidden = [child for child in folder.iterdir() if child.name.startswith((".", "_"))]
    except (FileError, OSError):
        return False
    return not any(child.is_dir() for child in hidden)


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """Yield a new folder beside the lake's; it is gone at the end, or has become the lake.

    It is locked meanwhile: what a killed run left behind is not, and is removed here.
    """
    _remove_leftovers(folder)
    unfinished = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}.part")
    unfinished.mkdir()
    lock = _lock(unfinished)
    try:
        yield unfinished
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _remove_leftovers(folder: Path) -> None:
    named = re.compile(rf"\.{re.escape(folder.name)}\.[0-9a-f]{{8}}\.part")
    for beside in folder.parent.iterdir():
        if named.fullmatch(beside.name) and (lock := _lock(beside)) is not None:
            shutil.rmtree(beside, ignore_errors=True)
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """Lock a folder for this process, until it ends at the latest; None if another one has it."""
    if sys.platform == "win32":
        return None  # nothing can be said of a folder there, so leftovers stay
    import fcntl

    try:
        opened = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:  # another one has just finished
        return None
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        return None
    return opened


def _put_in_place(unfinished: Path, folder: Path) -> None:
    if not folder.exists():
        unfinished.rename(folder)
    elif not _swap(unfinished, folder):
        folder.rename(_replaced(folder))
        try:
            unfinished.rename(folder)
        except OSError:
            _replaced(folder).rename(folder)
            raise
        shutil.rmtree(_replaced(folder), ignore_errors=True)


def _swap(a: Path, b: Path) -> bool:
    """Exchange two folders in one step, where the system can; return whether it could."""
    if not sys.platform.startswith("linux"):
        return False
    rename: Any = getattr(ctypes.CDLL(None), "renameat2", None)
    return rename is not None and (rename(_HERE, os.fsencode(a), _HERE, os.fsencode(b), _SWAP) == 0)


def _replaced(folder: Path) -> Path:
    """Return where a lake waits while another takes its place, if that takes two steps."""
    return folder.with_name(f".{folder.name}.replaced")


def _finish_replacement(folder: Path) -> None:
    """Tidy up after a run that was killed between the two steps, or after them."""
    replaced = _replaced(folder)
    if not _is_lake(replaced):
        return
    if not folder.exists():
        replaced.rename(folder)
    else:
        shutil.rmtree(replaced)
