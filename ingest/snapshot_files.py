"""Computed snapshots as files, on their way from the process that computed them to the database."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ingest.database import statement
from ingest.snapshots import (
    Checkpoint,
    Piece,
    Series,
    add_piece,
    drop_piece,
    write_checkpoint,
    write_state,
)
from ingest.store import Store, naive

_TIMES = {
    "liquidation_snapshots": "timestamp",
    "snapshot_totals": "timestamp",
    "position_events": "time",
}
_CHECKPOINT = "checkpoint.npz"


def write_files(store: Store, folder: Path, kept: Checkpoint | None) -> None:
    """Write all rows of snapshots that a database holds into a folder, and a checkpoint."""
    with store.cursor() as cursor:
        for table, time in _TIMES.items():
            target = str(_file(folder, table)).replace("'", "''")
            text = statement("copy_snapshots")
            cursor.execute(text.format(table=table, time=time, target=target))
    if kept is not None:
        (folder / _CHECKPOINT).write_bytes(kept.content)


def take_files(
    store: Store,
    series: Series,
    folder: Path,
    pieces: Sequence[Piece],
    kept: Checkpoint | None,
    most: int,
) -> None:
    """Store pieces from a folder's files, about ``most`` rows to a transaction.

    Parameters
    ----------
    store : Store
        Where they go.
    series : Series
        Whose pieces they are, in this database.
    folder : Path
        As `write_files` left it.
    pieces : sequence of Piece
        All whose rows the files hold, oldest first.
    kept : Checkpoint or None
        Where the checkpoint stands; its content is in the folder.
    most : int
        Rows by price bucket.
    """
    for group in _groups(pieces, most):
        span = {"start": naive(group[0].start), "stop": naive(group[-1].end)}
        with store.transaction() as cursor:
            for piece in group:
                drop_piece(cursor, series, piece)
                add_piece(cursor, series, piece)
            for table, time in _TIMES.items():
                text = statement("take_snapshots").format(table=table, time=time)
                file = {"file": str(_file(folder, table))}
                cursor.execute(text, {"series_id": series.id} | file | span)
            if kept is not None:
                content = (folder / _CHECKPOINT).read_bytes()
                write_checkpoint(cursor, series, Checkpoint(kept.stop, kept.inputs, content))
        kept = None


def seed(store: Store, series: Series, pieces: Sequence[Piece], kept: Checkpoint | None) -> None:
    """Let a database know what another one holds of a series: the pieces, not their rows."""
    with store.transaction() as cursor:
        for piece in pieces:
            add_piece(cursor, series, piece)
        if kept is not None:
            write_checkpoint(cursor, series, kept)
        write_state(cursor, series)


def _file(folder: Path, table: str) -> Path:
    return folder / f"{table}.parquet"


def _groups(pieces: Sequence[Piece], most: int) -> Iterator[list[Piece]]:
    group: list[Piece] = []
    for piece in pieces:
        group.append(piece)
        if sum(each.cells for each in group) >= most:
            yield group
            group = []
    if group:
        yield group
