"""Can a map be read? How lasting, contrasted and steady it is, and whether it has ghosts."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from engine.kernels import Floats
from engine.margin import SIDES
from engine.zones import find_zones

BLUR = 0.002
"""Standard deviation by which a map is smoothed before zones and ghosts are looked for. [-]"""
DAY = 24
"""Columns in a day: they are of an hour."""

_COARSE = 5  # rows that make one of those that persistence and contrast are taken of
_NEAR, _NEARER = 0.10, 0.05  # distances from the price within which rows count
_BIN = 0.0025  # of distance, whose mean is taken away before rows are compared
_TOUCH = 0.002  # farther than this from the price's path a row counts as untouched
_TOP = 0.1
_LOOK = 4  # columns from one look at the map to the next
_JUMP = 0.002

_GHOST_CELL, _GHOST_FROM, _GHOST_TO, _GHOST_MOVE = 0.001, 0.02, 0.25, 0.01
_GHOST_MEAN = 11  # cells of the running mean that fine structure is taken from


@dataclass(frozen=True, slots=True)
class Readability:
    """How well a map of hourly columns can be read.

    Attributes
    ----------
    persistence : float
        Correlation of rows with themselves a day later, within 10 % of a price that hasn't come
        near them since, as shares of their column and less the mean of rows at their distance. [-]
    fullest_tenth : float
        Share of what lies within 5 % of the price that the fullest tenth of the rows holds. [-]
    looks : int
        Changes from one look to the next, four hours apart.
    long_jumps, short_jumps : int
        In how many of them the nearest zone of the side came, went or moved by more than .2 %.
    ghosts : float
        Correlation of the map's fine structure at the same distance from a price that has moved by
        more than 1 % in a day: copies of the price path. 0 is none. [-]
    """

    persistence: float
    fullest_tenth: float
    looks: int
    long_jumps: int
    short_jumps: int
    ghosts: float


def readability(active: Floats, edges: Floats, price: Floats) -> Readability:
    """Return how well a map can be read.

    Parameters
    ----------
    active : ndarray, shape (2, rows, columns)
        Notional by side at the end of hourly columns; the number of rows is a multiple of 5.
        [quote]
    edges : ndarray, shape (rows + 1,)
        Edges of the rows, of equal width, about .07 % of the price each. [quote]
    price : ndarray, shape (columns,)
        Price at the end of each column. [quote]

    Raises
    ------
    ValueError
        If the rows make no groups of five, or there are no two days.
    """
    rows, columns = active.shape[1:]
    if rows % _COARSE or columns < 2 * DAY:
        raise ValueError(
            f"rows must be a multiple of {_COARSE} and columns at least {2 * DAY}, but there are "
            f"{rows} and {columns}"
        )
    coarse = active.sum(axis=0).reshape(rows // _COARSE, _COARSE, columns).sum(axis=1)
    middle = (edges[:-1:_COARSE] + edges[_COARSE::_COARSE]) / 2.0
    smooth = _smooth(active, BLUR * float(price.mean()) / float(edges[1] - edges[0]))
    long_jumps, short_jumps = (_jumps(smooth[s], edges, price, SIDES[s]) for s in range(2))
    return Readability(
        persistence=_persistence(coarse, middle, price),
        fullest_tenth=_fullest_tenth(coarse, middle, price),
        looks=np.arange(_LOOK - 1, columns, _LOOK).size - 1,
        long_jumps=long_jumps,
        short_jumps=short_jumps,
        ghosts=_ghosts(smooth.sum(axis=0), edges, price),
    )


def _smooth(active: Floats, width: float) -> Floats:
    """Return rows under a Gaussian of ``width`` rows, cut off at four times that.

    Unlike in a reader's view, rows beyond the map hold nothing: the known figures are of that.
    """
    from scipy.ndimage import gaussian_filter1d

    radius = int(np.ceil(4.0 * width))
    return np.asarray(
        gaussian_filter1d(active, width, axis=1, mode="constant", radius=radius), np.float64
    )


def _persistence(rows: Floats, middle: Floats, price: Floats) -> float:
    distance = middle[:, None] / price - 1.0
    near = np.abs(distance) < _NEAR
    share = rows / np.maximum(rows.sum(axis=0), 1.0)
    left = share - _mean_by_distance(share, distance, near)
    both = near[:, :-DAY] & near[:, DAY:] & _untouched(middle, price)
    return _correlation(left[:, :-DAY][both], left[:, DAY:][both])


def _mean_by_distance(share: Floats, distance: Floats, near: NDArray[np.bool_]) -> Floats:
    """Return the mean of rows near the price at each one's distance, 0 for the others."""
    bins, place = np.unique(np.round(distance[near] / _BIN), return_inverse=True)
    means = np.bincount(place, share[near], bins.size) / np.bincount(place, minlength=bins.size)
    found = np.zeros_like(share)
    found[near] = means[place]
    return found


def _untouched(middle: Floats, price: Floats) -> NDArray[np.bool_]:
    """Return which rows the price has not come near within a day, shape (rows, columns − 24)."""
    path = sliding_window_view(price, DAY + 1)
    low, high = path.min(axis=1) * (1.0 - _TOUCH), path.max(axis=1) * (1.0 + _TOUCH)
    return np.asarray((middle[:, None] < low) | (middle[:, None] > high))


def _fullest_tenth(rows: Floats, middle: Floats, price: Floats) -> float:
    near = np.abs(middle[:, None] / price - 1.0) < _NEARER
    shares = []
    for column, inside in enumerate(near.T):
        held = np.sort(rows[inside, column])[::-1]
        shares.append(held[: max(1, int(_TOP * held.size))].sum() / max(1.0, held.sum()))
    return float(np.mean(shares))


def _jumps(rows: Floats, edges: Floats, price: Floats, side: int) -> int:
    """Return how often the nearest zone of a side, smoothed rows, comes, goes or moves."""
    nearest = []
    for column in range(_LOOK - 1, price.size, _LOOK):
        zones = find_zones(rows[:, column], edges, float(price[column]), side)
        nearest.append(zones[0].price if zones else np.nan)
    now, before = np.array(nearest[1:]), np.array(nearest[:-1])
    with np.errstate(invalid="ignore"):
        moved = np.abs(now / before - 1.0) > _JUMP
    return int((moved | (np.isnan(now) != np.isnan(before))).sum())


def _ghosts(rows: Floats, edges: Floats, price: Floats) -> float:
    middle = (edges[:-1] + edges[1:]) / 2.0
    distance = np.arange(-_GHOST_TO - 0.01, _GHOST_TO + 0.01, _GHOST_CELL)
    shown = (np.abs(distance) > _GHOST_FROM) & (np.abs(distance) < _GHOST_TO)
    fine = np.stack(
        [
            _fine_structure(np.interp(now * (1.0 + distance), middle, rows[:, column]))[shown]
            for column, now in enumerate(price)
        ]
    )
    moved = np.flatnonzero(np.abs(price[DAY:] / price[:-DAY] - 1.0) > _GHOST_MOVE)
    return _correlation(fine[moved].ravel(), fine[moved + DAY].ravel())


def _correlation(first: Floats, second: Floats) -> float:
    """Return Pearson's correlation; 0 where there is nothing that varies."""
    if not first.size or not (np.ptp(first) > 0.0 and np.ptp(second) > 0.0):
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _fine_structure(amounts: Floats) -> Floats:
    """Return the logarithm of amounts less its running mean."""
    log = np.log(amounts + 1e-3 * amounts.mean() + np.finfo(np.float64).tiny)
    half = _GHOST_MEAN // 2
    padded = np.pad(log, half, mode="edge")
    return np.asarray(log - np.convolve(padded, np.ones(_GHOST_MEAN) / _GHOST_MEAN, "valid"))
