"""One UTC day of a series: drawn from the book on its own, and turned into rows.

A day is the unit of work whoever asks for it, so that a run over all days, one that goes on from
a checkpoint and one that was killed and started again compute the same sums in the same order.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import ceil, floor

import numpy as np

from app.precompute.events import events_of
from app.stored_book import time64
from engine.ensemble import Book
from engine.grid import step_edges
from engine.heatmap import Heatmap, rasterise
from engine.kernels import Floats
from ingest.columns import Arrays
from ingest.intervals import interval_name
from ingest.snapshots import DAY, Piece, PieceRows, Series

_DUST = 1e-12  # of the open interest: levels that closing has worn away, not worth a row
_CELLS = 50_000_000  # of one day's picture, both sides
_SIDES = ("long", "short")


def floor_to(time: datetime, step: timedelta) -> datetime:
    """Return the last multiple of a step since 1970 that is not after a time."""
    epoch = datetime.fromtimestamp(0, UTC)
    return epoch + (time - epoch) // step * step


def days(
    first: datetime, last: datetime, interval: timedelta
) -> Iterator[tuple[datetime, datetime]]:
    """Yield start and last snapshot of each day in which a snapshot ends by ``last``."""
    start, last = floor_to(first, DAY), floor_to(last, interval)
    while start < last:
        yield start, min(start + DAY, last)
        start += DAY


def compute_piece(book: Book, series: Series, piece: Piece) -> PieceRows:
    """Return a piece's rows; what the book holds after its end makes no difference.

    Raises
    ------
    ValueError
        If the series' buckets are too narrow for the span of the levels.
    """
    times = step_edges(time64(piece.start), time64(piece.stop), series.interval)
    low, high = book.price_range()
    _check_size(times.size - 1, (high - low) / series.width, series)
    edges = bucket_edges(low, high, series.width)
    heatmap = rasterise(book, times, edges, between_rungs=True)
    # Columns that begin and end within the data; before them there is no state, after them a guess.
    known = (times[1:] > book.open_time[0]) & (times[1:] <= book.stop)
    cells = _cells(heatmap, known)
    return PieceRows(
        piece=replace(piece, cells=len(cells["timestamp"])),
        cells=cells,
        totals=_totals(heatmap, known),
        events=events_of(book, times[0], times[-1]) if piece.has_events else None,
    )


def bucket_edges(low: float, high: float, width: float) -> Floats:
    """Return multiples of a width that hold two prices: the same number for the same multiple."""
    return np.arange(floor(low / width), ceil(high / width) + 1, dtype=np.float64) * width


def _check_size(columns: int, buckets: float, series: Series) -> None:
    if 2 * columns * buckets > _CELLS:
        least = series.width * (2 * columns * buckets / _CELLS)
        raise ValueError(
            f"price buckets {series.width:g} wide are too narrow for the levels of "
            f"{series.symbol} on {series.exchange}; with snapshots every "
            f"{interval_name(series.interval)} they must be at least {least:.2g} wide"
        )


def _cells(heatmap: Heatmap, known: np.ndarray) -> Arrays:
    least = _DUST * np.fmax(heatmap.open_interest, 1e-300) * heatmap.edges[1:, None]
    held = (heatmap.active + heatmap.consumed > least) & known
    column, side, bucket = np.nonzero(held.transpose(2, 0, 1))
    return {
        "timestamp": heatmap.times[column + 1],
        "price_bucket": heatmap.edges[bucket],
        "side": side.astype(np.int8),
        "active_volume": heatmap.active[side, bucket, column],
        "consumed_volume": heatmap.consumed[side, bucket, column],
    }


def _totals(heatmap: Heatmap, known: np.ndarray) -> Arrays:
    totals = {"timestamp": heatmap.times[1:][known], "open_interest": heatmap.open_interest[known]}
    for name in ("opened", "closed", "liquidated", "tracked"):
        for side, sums in zip(_SIDES, getattr(heatmap, name), strict=True):
            totals[f"{name}_{side}"] = sums[known]
    return totals
