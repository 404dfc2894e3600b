"""Pictures of a level book: notional or size by time and price."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.book import LevelBook
from engine.ensemble import Book, EnsembleBook
from engine.kernels import Floats, Ints
from engine.market import Times
from engine.raster_kernel import Grid, accumulate, draw_closings, draw_levels

Measure = Literal["notional", "size"]

_LASTING_OVER = timedelta(days=7)
"""Span over which the rate of closing is taken for what lasts."""


@dataclass(frozen=True, slots=True, eq=False)
class Heatmap:
    """State and events of a book on a grid of time columns and price buckets.

    The side axis has length 2: longs, then shorts.

    Attributes
    ----------
    times : ndarray of datetime64[us], shape (columns + 1,)
        Edges of the columns, ``times[c] <= time < times[c + 1]``. [UTC]
    edges : ndarray, shape (buckets + 1,)
        Edges of the price buckets, half-open, ascending, equal width. [quote]
    active : ndarray, shape (2, buckets, columns)
        Open at the end of the column, by liquidation price. [quote or base, see ``measure``]
    consumed : ndarray, shape (2, buckets, columns)
        Liquidated within the column. [quote or base]
    opened, closed, liquidated : ndarray, shape (2, columns)
        Levels' size that was born, closed voluntarily, and liquidated in the column, at any
        price. [base]
    tracked : ndarray, shape (2, columns)
        Size of all levels at the column's end, at any price. [base]
    open_interest : ndarray, shape (columns,)
        Open interest at the column's end, NaN where unknown. [base]
    ties : bool
        Whether levels and the rest of a side sum to the open interest.
    measure : {"notional", "size"}
        Whether cells are size times liquidation price [quote], or size [base].
    """

    times: NDArray[np.datetime64]
    edges: Floats
    active: Floats
    consumed: Floats
    opened: Floats
    closed: Floats
    liquidated: Floats
    tracked: Floats
    open_interest: Floats
    measure: Measure = "notional"
    ties: bool = True

    @property
    def coverage(self) -> Floats:
        """Share of the open interest whose liquidation price is known, shape (2, columns). [-]

        NaN where the levels do not tie to the open interest, so that nothing can be said.
        """
        if not self.ties:
            return np.full(self.tracked.shape, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.open_interest > 0, self.tracked / self.open_interest, 0.0)


def rasterise(
    book: Book,
    times: Times,
    edges: Floats,
    measure: Measure = "notional",
    lasting: timedelta | None = None,
    *,
    between_rungs: bool = False,
) -> Heatmap:
    """Draw a book onto time columns and price buckets.

    Parameters
    ----------
    book : LevelBook or EnsembleBook
        From a model's ``build_book``; an ensemble's picture is the mean of its parts' pictures.
    times : ndarray of datetime64, shape (columns + 1,)
        Edges of the columns, ascending. A bar belongs to the column in which it *ends*
        (``times[c] < end <= times[c + 1]``), so no column shows what was not yet known. [UTC]
    edges : ndarray, shape (buckets + 1,)
        Edges of the buckets, ascending, of equal width. [quote]
    measure : {"notional", "size"}
        What cells hold.
    lasting : timedelta, optional
        Show only what should still be open that much later if it is not liquidated, holders closing
        as fast as in the last 7 days before the column's end; all that is open if left out. This
        changes ``active`` alone.
    between_rungs : bool
        Draw an open level of a turning ladder evenly over the prices that it stands for, half-way
        to its neighbours in leverage, so that a bar which opens much at once is no comb of rungs.
        Sizes over all prices stay, ``consumed`` and maps of fixed leverages too.

    Raises
    ------
    ValueError
        If the edges do not ascend, or buckets differ in width.
    """
    times, edges = _checked(times, edges)
    if isinstance(book, EnsembleBook):
        drawn = [
            rasterise(part, times, edges, measure, lasting, between_rungs=between_rungs)
            for part in book.parts
        ]
        return _mean(drawn, book)
    reach = book.parameters.profile.reach if between_rungs else 1.0
    if book.parameters.funding:
        return _drifting(book, times, edges, measure, lasting, reach)
    return _draw(book, times, edges, measure, lasting, reach)


def _draw(
    book: LevelBook,
    times: Times,
    edges: Floats,
    measure: Measure,
    lasting: timedelta | None,
    reach: float,
) -> Heatmap:
    columns, buckets = times.size - 1, edges.size - 1
    ends = book.open_time + np.timedelta64(book.interval)
    bars_by = np.searchsorted(ends, times, side="right").astype(np.int32)
    column_of_bar = (np.searchsorted(times, ends, side="left") - 1).astype(np.int32)
    grid = Grid(column_of_bar, bars_by, edges, buckets / float(edges[-1] - edges[0]))
    changes = np.zeros((2, columns + 1, buckets, len(book.holders.speed)))
    active = np.empty((2, columns, buckets))
    consumed = np.zeros((2, columns, buckets))
    by_notional = measure == "notional"
    draw_levels(
        book.bars,
        book.tiers,
        book.holders,
        book.ledger,
        book.death,
        grid,
        by_notional,
        reach,
        changes,
        consumed,
    )
    if book.closings.bar.size:
        draw_closings(
            book.bars,
            book.tiers,
            book.closings,
            book.death,
            grid,
            by_notional,
            reach,
            changes,
            consumed,
        )
    shown = _shown(book, bars_by[1:], lasting)
    accumulate(book.holders, book.ledger, bars_by, shown, changes, active)
    return Heatmap(
        times=times,
        edges=edges,
        active=active.transpose(0, 2, 1),
        consumed=consumed.transpose(0, 2, 1),
        opened=_per_column(book.ledger.born, bars_by),
        closed=_per_column(book.ledger.closed, bars_by),
        liquidated=_per_column(book.ledger.liquidated, bars_by),
        tracked=book.ledger.held[bars_by[1:]].T,
        open_interest=book.open_interest[bars_by[1:]],
        measure=measure,
        ties=book.parameters.ties,
    )


def _drifting(
    book: LevelBook,
    times: Times,
    edges: Floats,
    measure: Measure,
    lasting: timedelta | None,
    reach: float,
) -> Heatmap:
    """Draw a book whose levels move by the funding that they pay.

    Notes
    -----
    Less what funding has moved its side by, each level stays where it is, so the book is drawn
    there, on a wider grid, and each column is then moved back: what lies in a bucket there is split
    over the two that it comes to lie in, by their overlap. Sums are kept. A level is so drawn at
    most a bucket from its price, and its notional is that of its buckets' middles; what was
    liquidated within a column is moved as at the column's end.
    """
    width = (edges[-1] - edges[0]) / (edges.size - 1)
    ended = np.searchsorted(book.open_time + np.timedelta64(book.interval), times[1:], "right")
    paid = np.concatenate(([0.0], book.bars.paid))[ended]
    moved = book.tiers.drift[:, None] * paid / width  # in buckets, of each side and column
    first = int(np.floor(-moved.max()))
    count = edges.size + int(np.ceil(np.ptp(moved))) + 2
    still = edges[0] + width * (first + np.arange(count + 1))
    drawn = _draw(book, times, still, "size", lasting, reach)
    place = -moved - first
    amount = (edges[:-1] + edges[1:])[:, None] / 2.0 if measure == "notional" else 1.0
    return replace(
        drawn,
        edges=edges,
        active=_moved(drawn.active, place, edges.size - 1) * amount,
        consumed=_moved(drawn.consumed, place, edges.size - 1) * amount,
        measure=measure,
    )


def _moved(amounts: Floats, place: Floats, buckets: int) -> Floats:
    """Return ``buckets`` buckets of amounts from a place on, which lies between two, by overlap.

    Parameters
    ----------
    amounts : ndarray, shape (2, all buckets, columns)
    place : ndarray, shape (2, columns)
        Where the first one begins, in buckets.
    buckets : int
    """
    moved = np.empty((2, amounts.shape[2], buckets)).transpose(0, 2, 1)
    for side, column in np.ndindex(place.shape):
        whole = int(place[side, column])
        share = place[side, column] - whole
        found = amounts[side, whole : whole + buckets + 1, column]
        moved[side, :, column] = (1.0 - share) * found[:-1] + share * found[1:]
    return moved


def blurred(amounts: Floats, edges: Floats, width: float) -> Floats:
    """Return amounts by price smoothed over price with a Gaussian, as a reader's eye would.

    Parameters
    ----------
    amounts : ndarray, shape (…, buckets, columns)
        Amounts of price buckets.
    edges : ndarray, shape (buckets + 1,)
        Edges of the buckets, ascending, of equal width. [quote]
    width : float
        Standard deviation. [quote]

    Notes
    -----
    The Gaussian is cut off at 4 standard deviations. Near the first and the last bucket, where a
    part of it lies outside, the rest counts for all: an even map stays even.
    """
    step = float(edges[1] - edges[0])
    if not width > step / 10.0:  # narrower than what buckets show
        return amounts
    place = np.arange(edges.size - 1) * (step / width)
    apart = place[:, None] - place
    weight = np.where(np.abs(apart) <= 4.0 + step / width, np.exp(-0.5 * apart**2), 0.0)
    return np.asarray((weight / weight.sum(axis=1, keepdims=True)) @ amounts)


def _shown(book: LevelBook, bars_by: Ints, lasting: timedelta | None) -> Floats:
    """Return the share of each kind's levels to show at columns' ends, shape (2, columns, kinds).

    It is :math:`exp(-g T)`, g being the kind's mean rate of closing over the last 7 days.
    """
    ledger, back = book.ledger, int(_LASTING_OVER / book.interval)
    if lasting is None:
        return np.ones((2, bars_by.size, len(book.holders.speed)))
    first = np.maximum(bars_by - back, 0)

    def closings(bars: Ints) -> Floats:
        gone = ledger.epoch[bars] * (512.0 * np.log(2.0)) - np.log(ledger.survival[bars])
        return np.asarray(gone)

    count = np.maximum(bars_by - first, 1)[:, None, None]
    rate = (closings(bars_by) - closings(first)) / count
    return np.ascontiguousarray(np.exp(-rate * (lasting / book.interval)).transpose(1, 0, 2))


def combine(heatmaps: Sequence[Heatmap]) -> Heatmap:
    """Return the sum of heatmaps on the same grid.

    Raises
    ------
    ValueError
        If there are none, or their grids or measures differ.
    """
    if not heatmaps:
        raise ValueError("there must be at least one heatmap to combine")
    first = heatmaps[0]
    if len(heatmaps) == 1:
        return first
    for other in heatmaps[1:]:
        if other.measure != first.measure or not (
            np.array_equal(other.times, first.times) and np.array_equal(other.edges, first.edges)
        ):
            raise ValueError("heatmaps must share their grid and measure to be combined")

    def total(name: str) -> Floats:
        return np.asarray(sum(getattr(heatmap, name) for heatmap in heatmaps))

    return Heatmap(
        times=first.times,
        edges=first.edges,
        active=total("active"),
        consumed=total("consumed"),
        opened=total("opened"),
        closed=total("closed"),
        liquidated=total("liquidated"),
        tracked=total("tracked"),
        open_interest=total("open_interest"),
        measure=first.measure,
        ties=all(heatmap.ties for heatmap in heatmaps),
    )


def _mean(heatmaps: Sequence[Heatmap], book: EnsembleBook) -> Heatmap:
    """Return an ensemble's heatmap from those of its parts, whose market is one."""

    def mean(name: str) -> Floats:
        return book.mean(getattr(heatmap, name) for heatmap in heatmaps)

    amounts = ("active", "consumed", "opened", "closed", "liquidated", "tracked")
    changes: dict[str, Any] = {name: mean(name) for name in amounts}
    return replace(heatmaps[0], ties=book.parameters.ties, **changes)


def _checked(times: Times, edges: Floats) -> tuple[Times, Floats]:
    times = np.asarray(times, "datetime64[us]")
    edges = np.ascontiguousarray(edges, np.float64)
    if times.size < 2 or not (times[1:] > times[:-1]).all():
        raise ValueError("time columns need at least two ascending edges")
    widths = np.diff(edges)
    if widths.size < 1 or not (widths > 0.0).all():
        raise ValueError("price buckets need at least two ascending edges")
    if not np.allclose(widths, widths[0], rtol=1e-6, atol=0.0):
        raise ValueError("price buckets must be of equal width")
    return times, edges


def _per_column(per_bar: Floats, bars_by: Ints) -> Floats:
    """Sum rows ``1 …`` of a ledger's array over the bars of each column, shape (2, columns).

    Each column on its own: its sum must not depend on what came before it, down to the last digit.
    """
    sums = np.zeros((bars_by.size - 1, per_bar.shape[1]))
    filled = np.flatnonzero(bars_by[1:] > bars_by[:-1])
    if filled.size:
        ended = per_bar[: bars_by[-1] + 1]
        sums[filled] = np.add.reduceat(ended, bars_by[filled] + 1, axis=0)
    return sums.T
