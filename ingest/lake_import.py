"""Take a lake into a database, market by market: all of a market or nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import duckdb

from ingest.changes import Change
from ingest.database_errors import in_one_line, interruptible
from ingest.lake import KINDS, Lake, Part, add_part, set_simulated
from ingest.store import Store, StoreError


@dataclass(frozen=True, slots=True)
class CheckedLake:
    """A lake that is whole, as far as can be told without reading its rows, and its partitions."""

    lake: Lake
    parts: tuple[Part, ...]


def check_lake(folder: Path) -> CheckedLake:
    """Look through a lake; `FileError` names the first file that is wrong."""
    lake = Lake.open(folder)
    parts = tuple(sorted(lake.parts(), key=_market))
    with Store.open(":memory:") as empty, empty.cursor() as cursor:
        lake.check(cursor, parts, lake.contents.markets)
    return CheckedLake(lake, parts)


def import_lake(
    store: Store, checked: CheckedLake, report: Callable[[Part], None] = lambda part: None
) -> dict[str, int]:
    """Add a lake's rows that are not stored yet; return how many those of each kind were.

    Parameters
    ----------
    store : Store
        Takes over whether the data are simulated if it is empty.
    checked : CheckedLake
        Each market is stored in one transaction.
    report : callable
        Told of each partition when its rows are in.

    Raises
    ------
    StoreError
        If simulated and real data would be mixed, or the database can't take them.
    FileError
        If the lake is broken; then nothing of the market at fault is stored.
    """
    lake, added = checked.lake, dict.fromkeys(KINDS, 0)
    _check_mixture(store, lake)
    if not checked.parts:
        with store.transaction() as cursor:
            set_simulated(cursor, lake.contents.simulated)
    for (exchange, symbol), parts in groupby(checked.parts, _market):
        with _storing(lake), store.cursor() as cursor, store.transaction(using=cursor):
            set_simulated(cursor, lake.contents.simulated)
            changed = set()
            for part in parts:
                rows = add_part(cursor, part)
                added[part.kind.name] += rows
                if rows and part.kind.name != "ingested_files":
                    changed.add(part.kind.name)
                report(part)
            for table in sorted(changed):
                store.changed(cursor, Change(exchange, symbol, table))
    return added


def _check_mixture(store: Store, lake: Lake) -> None:
    """Refuse simulated beside real data, whose mark the database would then lie with."""
    if store.is_simulated() == lake.contents.simulated or _is_empty(store):
        return
    held, brought = ("the simulated market", "real data")
    if lake.contents.simulated:
        held, brought = brought, held
    raise StoreError(
        f"{store.path or 'The database'} holds {held} and {lake.folder} {brought}, which must not "
        "mix. Choose another file with --database."
    )


def _is_empty(store: Store) -> bool:
    with store.cursor() as cursor:
        rows = [cursor.execute(kind.statement("lake_any")).fetchone() for kind in KINDS.values()]
    return not any(row and row[0] for row in rows)


@contextmanager
def _storing(lake: Lake) -> Iterator[None]:
    """Raise what DuckDB's errors mean while it stores: Ctrl-C, or a machine short of something."""
    try:
        with interruptible():
            yield
    except duckdb.Error as e:
        raise StoreError(f"A market of {lake.folder} could not be stored: {in_one_line(e)}") from e


def _market(part: Part) -> tuple[str, str]:
    return part.exchange, part.symbol
