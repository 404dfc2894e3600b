"""Stored snapshots: series of them, what has been computed of each, and what it was made of."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import duckdb

from ingest.columns import Arrays, unmasked
from ingest.database import run
from ingest.intervals import BarIntervals
from ingest.store import LATE, Store, naive

DAY = timedelta(days=1)

_ALWAYS = {
    "start": naive(datetime(1, 1, 1, tzinfo=UTC)),
    "stop": naive(datetime(9999, 1, 1, tzinfo=UTC)),
}


@dataclass(frozen=True, slots=True)
class Series:
    """Snapshots of one market under one model on one grid.

    Attributes
    ----------
    exchange, symbol : str
        The market.
    model : str
        The model's name and all its parameters.
    interval : timedelta
        Between snapshots.
    width : float
        Of the price buckets, whose edges are multiples of it. [quote]
    bins : int or None
        Number of buckets that the width was chosen for, None where it was given.
    program : str
        Digest of the sources that compute it.
    watermark : str or None
        Of the market when all pieces were last known to be current.
    begin : datetime or None
        Where the book that they were then drawn from begins. [UTC]
    crossing_price : str
        Which price killed its levels: ``"mark"``, ``"last"`` or ``"mark or last"``.
    assumed_margin : bool
        Whether its leverage tiers stood in for unknown ones.
    id : int
        Number in its database, 0 before it has one.
    """

    exchange: str
    symbol: str
    model: str
    interval: timedelta
    width: float
    bins: int | None
    program: str
    watermark: str | None = None
    begin: datetime | None = None
    crossing_price: str = "last"
    assumed_margin: bool = False
    id: int = 0

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> Self:
        """Return a row of ``sql/snapshot_series.sql``."""
        names = [field.name for field in fields(cls)]
        series = cls(**dict(zip(names, row, strict=True)))
        return replace(series, begin=series.begin and series.begin.replace(tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Piece:
    """What is computed at once: the snapshots of one UTC day, as far as it is known.

    Attributes
    ----------
    start : datetime
        Of the day. [UTC]
    stop : datetime
        Time of its last snapshot, the day's end where it is whole. [UTC]
    inputs : str
        Digest of all that it was computed from.
    has_events : bool
        Whether position events were made too.
    cells : int
        Number of its rows by price bucket; pieces do not differ by it.
    """

    start: datetime
    stop: datetime
    inputs: str
    has_events: bool
    cells: int = field(default=0, compare=False)

    @property
    def end(self) -> datetime:
        """End of the day. [UTC]"""
        return self.start + DAY


@dataclass(frozen=True, slots=True, eq=False)
class PieceRows:
    """A piece with its rows, columns by name as `ingest.snapshots.write` takes them.

    Attributes
    ----------
    piece : Piece
        What it is.
    cells : dict of ndarray
        ``timestamp``, ``price_bucket`` (low edge), ``side`` (0 longs, 1 shorts),
        ``active_volume``, ``consumed_volume`` [quote].
    totals : dict of ndarray
        ``timestamp``, ``open_interest``, and ``opened_…``, ``closed_…``, ``liquidated_…``,
        ``tracked_…`` of ``long`` and ``short`` [base].
    events : dict of ndarray or None
        ``time``, ``side``, ``event`` (0 opened, 1 closed, 2 liquidated), ``price`` [quote],
        ``quantity`` [base], ``leverage`` (NaN where unknown).
    """

    piece: Piece
    cells: Arrays
    totals: Arrays
    events: Arrays | None

    @property
    def rows(self) -> int:
        """Number of rows in all tables."""
        tables = [self.cells["timestamp"], self.totals["timestamp"]]
        return sum(map(len, tables)) + (len(self.events["time"]) if self.events else 0)


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A book as bytes, the end of its last bar (UTC), and a digest of what it was made of."""

    stop: datetime
    inputs: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Extent:
    """Span (UTC) and price range [quote] of a market's candles of one interval."""

    first: datetime
    last: datetime
    low: float
    high: float


# Series and what has been computed of them


def find_series(store: Store, exchange: str, symbol: str, model: str) -> list[Series]:
    """Return the stored series of a market and model, those of other programs too."""
    market = {"exchange": exchange, "symbol": symbol, "model": model}
    with store.cursor() as cursor:
        rows = run(cursor, "snapshot_series", market).fetchall()
    return [Series.from_row(row) for row in rows]


def add_series(store: Store, series: Series, outdated: Sequence[Series] = ()) -> Series:
    """Begin a series in place of outdated ones; return it with its number."""
    with store.transaction() as cursor:
        for old in outdated:
            run(cursor, "drop_snapshot_pieces", {"series_id": old.id, **_ALWAYS})
            _drop_rows(cursor, {"series_id": old.id, **_ALWAYS})
            run(cursor, "drop_snapshot_checkpoint", {"series_id": old.id})
            run(cursor, "drop_snapshot_series", {"series_id": old.id})
        row = run(
            cursor,
            "add_snapshot_series",
            {
                "exchange": series.exchange,
                "symbol": series.symbol,
                "model": series.model,
                "interval_seconds": int(series.interval.total_seconds()),
                "bucket_width": series.width,
                "bins": series.bins,
                "program": series.program,
                "crossing_price": series.crossing_price,
                "assumed_margin": series.assumed_margin,
            },
        ).fetchone()
    assert row is not None
    return replace(series, id=row[0])


def pieces(store: Store, series: Series) -> list[Piece]:
    """Return what has been computed of a series, oldest first."""
    with store.cursor() as cursor:
        rows = run(cursor, "snapshot_pieces", {"series_id": series.id}).fetchall()
    return [
        Piece(start.replace(tzinfo=UTC), stop.replace(tzinfo=UTC), inputs, has_events, cells)
        for start, stop, inputs, cells, has_events in rows
    ]


def checkpoint(store: Store, series: Series) -> Checkpoint | None:
    """Return the book that a series goes on from, None if there is none."""
    with store.cursor() as cursor:
        row = run(cursor, "snapshot_checkpoint", {"series_id": series.id}).fetchone()
    return None if row is None else Checkpoint(row[0].replace(tzinfo=UTC), row[1], row[2])


def write(
    store: Store, series: Series, group: Sequence[PieceRows], kept: Checkpoint | None = None
) -> None:
    """Store pieces, and a checkpoint if there is one, in one transaction.

    They replace what was stored of the same days.
    """
    with store.transaction() as cursor:
        for rows in group:
            write_piece(cursor, series, rows)
        if kept is not None:
            write_checkpoint(cursor, series, kept)


def write_piece(cursor: duckdb.DuckDBPyConnection, series: Series, rows: PieceRows) -> None:
    """Replace what is stored of a piece's day; the caller's transaction makes it whole."""
    piece = rows.piece
    drop_piece(cursor, series, piece)
    named = {"series_id": series.id, "exchange": series.exchange, "symbol": series.symbol}
    for table, batch in (
        ("liquidation_snapshots", rows.cells),
        ("snapshot_totals", rows.totals),
        ("position_events", rows.events),
    ):
        if batch is not None and len(next(iter(batch.values()))):
            cursor.register("batch", batch)
            run(cursor, f"add_{table}", named)
            cursor.unregister("batch")
    add_piece(cursor, series, piece)


def drop_piece(cursor: duckdb.DuckDBPyConnection, series: Series, piece: Piece) -> None:
    """Remove what is stored of a piece's day."""
    span = {"series_id": series.id, "start": naive(piece.start), "stop": naive(piece.end)}
    stored = run(cursor, "drop_snapshot_pieces", span).fetchone()
    if stored and stored[0]:
        # Rows are only ever stored with their piece, so a new day need not be searched for.
        _drop_rows(cursor, span)


def add_piece(cursor: duckdb.DuckDBPyConnection, series: Series, piece: Piece) -> None:
    """Record a piece as computed."""
    values = {
        "series_id": series.id,
        "start": naive(piece.start),
        "stop": naive(piece.stop),
        "inputs": piece.inputs,
        "cells": piece.cells,
        "has_events": piece.has_events,
    }
    run(cursor, "add_snapshot_piece", values)


def write_checkpoint(cursor: duckdb.DuckDBPyConnection, series: Series, kept: Checkpoint) -> None:
    """Replace a series' checkpoint."""
    run(cursor, "drop_snapshot_checkpoint", {"series_id": series.id})
    values = {"stop": naive(kept.stop), "inputs": kept.inputs, "content": kept.content}
    run(cursor, "add_snapshot_checkpoint", {"series_id": series.id} | values)


def mark_current(store: Store, series: Series, known: Series) -> Series:
    """Remember of a series what ``known`` says of its book, and for which state it is current."""
    new = replace(
        series,
        watermark=known.watermark,
        begin=known.begin,
        crossing_price=known.crossing_price,
        assumed_margin=known.assumed_margin,
    )
    if new != series:
        with store.transaction() as cursor:
            write_state(cursor, new)
    return new


def write_state(cursor: duckdb.DuckDBPyConnection, series: Series) -> None:
    """Replace what is stored of a series' book, and for which state it is current."""
    values = {
        "series_id": series.id,
        "watermark": series.watermark,
        "book_start": series.begin and naive(series.begin),
        "crossing_price": series.crossing_price,
        "assumed_margin": series.assumed_margin,
    }
    run(cursor, "set_snapshot_state", values)


def _drop_rows(cursor: duckdb.DuckDBPyConnection, span: dict[str, Any]) -> None:
    for table in ("liquidation_snapshots", "snapshot_totals", "position_events"):
        run(cursor, f"drop_{table}", span)


# What they are computed from


def extent(
    store: Store, exchange: str, symbol: str, seconds: int, start: datetime, stop: datetime
) -> Extent | None:
    """Return span and price range of candles with ``start <= open_time < stop``, None if none."""
    named = {"exchange": exchange, "symbol": symbol, "interval_seconds": seconds}
    span = {"start": naive(start), "stop": naive(stop)}
    with store.cursor() as cursor:
        row = run(cursor, "input_extent", named | span).fetchone()
    if row is None or row[0] is None:
        return None
    return Extent(row[0].replace(tzinfo=UTC), row[1].replace(tzinfo=UTC), row[2], row[3])


def input_digests(
    store: Store,
    exchange: str,
    symbol: str,
    intervals: BarIntervals,
    start: datetime,
    cuts: Sequence[datetime],
    *,
    funding: bool = False,
) -> dict[datetime, tuple[int, int]]:
    """Return count and hash of all rows that a book from ``start`` on is made of, by each cut.

    Parameters
    ----------
    store : Store
        Where the rows are.
    exchange, symbol : str
        The market.
    intervals : BarIntervals
        Of the candles that are read.
    start : datetime
        Where the book begins.
    cuts : sequence of datetime
        Moments; a row counts from the first one on at which it is known. [UTC]
    funding : bool
        Whether the book is made of funding rates, too.
    """
    named = {"exchange": exchange, "symbol": symbol}
    parameters = {
        "interval_seconds": intervals.seconds,
        "mark_interval_seconds": intervals.mark_seconds,
        "start": naive(start),
        "late_seconds": LATE.total_seconds(),
        "funding": funding,
        "cuts": [naive(cut) for cut in cuts],
    }
    with store.cursor() as cursor:
        cursor.execute("BEGIN")
        found = run(cursor, "input_digests", named | parameters).fetchall()
        (tiers,) = run(cursor, "input_tiers", named).fetchall()
    new = {cut.replace(tzinfo=UTC): (rows, total) for cut, rows, total in found}
    count, total = tiers
    digests = {}
    for cut in sorted(set(cuts)):
        more, of_them = new.get(cut, (0, 0))
        count, total = count + more, total + of_them
        digests[cut] = (count, total)
    return digests


# Reading them


def cells(
    store: Store,
    series: Series,
    start: datetime,
    stop: datetime,
    columns: int,
    low: float,
    buckets: int,
    merged: int,
) -> Arrays:
    """Return what a series holds on a coarser grid, or on its own.

    Parameters
    ----------
    store : Store
        Where it is.
    series : Series
        What to read.
    start, stop : datetime
        Of ``columns`` time columns of one width, a multiple of the series' interval.
    columns : int
        Number of columns.
    low : float
        Lowest edge of ``buckets`` price buckets, a multiple of the series' width. [quote]
    buckets : int
        Number of buckets, each ``merged`` of the series' own.
    merged : int
        How many of the series' buckets make one.

    Returns
    -------
    dict of ndarray, shape (n,)
        ``side`` (0 longs, 1 shorts), ``bucket``, ``column_index``, ``active`` at the column's end,
        ``consumed`` within the column [quote]; cells that hold nothing are left out.
    """
    column = (stop - start) // columns
    first = round(low / series.width)
    own = merged == 1 and column == series.interval
    parameters = {
        "series_id": series.id,
        "start": naive(start),
        "stop": naive(stop),
        "start_us": (start - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1),
        "column_us": column // timedelta(microseconds=1),
        "width": series.width,
        "first_bucket": first,
        "buckets": merged,
        # Half a bucket below, where no bucket can be.
        "low": (first - 0.5) * series.width,
        "high": (first + buckets * merged - 0.5) * series.width,
    }
    with store.cursor() as cursor:
        name = "snapshot_cells_as_stored" if own else "snapshot_cells"
        return unmasked(run(cursor, name, parameters).fetchnumpy())


def totals(store: Store, series: Series, start: datetime, stop: datetime) -> Arrays:
    """Return a series' totals with ``start < timestamp <= stop``, oldest first; see `PieceRows`."""
    parameters = {"series_id": series.id, "start": naive(start), "stop": naive(stop)}
    with store.cursor() as cursor:
        return unmasked(run(cursor, "snapshot_totals", parameters).fetchnumpy())
