"""Take a lake into a database, market by market: all of a market or nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby

import duckdb

from ingest.lake import KINDS, Lake, Part, add_part, first_line, set_simulated
from ingest.store import Store, StoreError, bump_revision


def check_lake(lake: Lake) -> list[Part]:
    """Return a lake's partitions; `FileError` if it is broken, as far as can be told quickly."""
    parts = sorted(lake.parts(), key=_market)
    with Store.open(":memory:") as empty, empty.cursor() as cursor:
        lake.check(cursor, parts, lake.contents.markets)
    return parts


def import_lake(
    store: Store,
    lake: Lake,
    report: Callable[[Part], None] = lambda part: None,
) -> dict[str, int]:
    """Add a lake's rows that are not stored yet; return how many those of each kind were.

    Parameters
    ----------
    store : Store
        Takes over whether the data are simulated if it is empty.
    lake : Lake
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
    parts = check_lake(lake)
    _check_mixture(store, lake)
    added = dict.fromkeys(KINDS, 0)
    if not parts:
        with store.transaction() as cursor:
            set_simulated(cursor, lake.contents.simulated)
    for (exchange, symbol), of_market in groupby(parts, _market):
        with _storing(lake), store.cursor() as cursor, store.transaction(using=cursor):
            set_simulated(cursor, lake.contents.simulated)
            changed = False
            for part in of_market:
                rows = add_part(cursor, part)
                added[part.kind.name] += rows
                changed |= rows > 0 and part.kind.name != "ingested_files"
                report(part)
            if changed:
                bump_revision(cursor, exchange, symbol)
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
        yield
    except (RuntimeError, duckdb.InterruptException) as e:
        if "interrupt" not in str(e).lower():
            raise
        raise KeyboardInterrupt from e
    except duckdb.Error as e:
        raise StoreError(f"A market of {lake.folder} could not be stored: {first_line(e)}") from e


def _market(part: Part) -> tuple[str, str]:
    return part.exchange, part.symbol
