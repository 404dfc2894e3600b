"""Prominent zones: the few ranges of price that stand out of one side's rows."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from engine.kernels import Floats
from engine.margin import LONG

_FEWEST_ROWS = 5  # fewer rows have no shape


@dataclass(frozen=True, slots=True)
class Zone:
    """A range of liquidation prices that stands out of its surroundings.

    Attributes
    ----------
    low, high : float
        Edges of the rows around the peak that rise above half its prominence. [quote]
    price : float
        Middle of the peak's row. [quote]
    height : float
        Of the peak's row. [quote, as the rows]
    prominence : float
        How far the peak rises above the higher of the two valleys around it. [quote]
    total : float
        Amount between ``low`` and ``high``. [quote]
    share : float
        Of the side's amount within reach. [-]
    """

    low: float
    high: float
    price: float
    height: float
    prominence: float
    total: float
    share: float


def find_zones(
    rows: Floats,
    edges: Floats,
    price: float,
    side: int,
    *,
    amount: Floats | None = None,
    reach: float = 0.10,
    keep: float = 0.3,
    least: float = 1.5,
) -> tuple[Zone, ...]:
    """Return the prominent zones of one side, the nearest to the price first.

    Parameters
    ----------
    rows : ndarray, shape (n,)
        What one side holds in each price row, smoothed as the reader sees it. [quote]
    edges : ndarray, shape (n + 1,)
        Edges of the rows, ascending. [quote]
    price : float
        Last price; a long's zones lie below it, a short's above. [quote]
    side : int
        ``LONG`` (+1) or ``SHORT`` (-1).
    amount : ndarray, shape (n,), optional
        What ``total`` and ``share`` are taken from where it isn't ``rows``: zones are found in the
        lasting part of a map, their amounts come from the whole of it. [quote]
    reach : float
        Largest distance of a row's middle from the price. [-]
    keep : float
        Least prominence as a share of the peak's height. [-]
    least : float
        Least height in medians of the side's rows within reach. [-]

    Notes
    -----
    A peak's prominence is its height above the higher of its two valleys: the lowest rows on the
    way to a higher row, or to the end of the side where no row is higher.
    """
    away = _away(edges, price, side, reach)
    if away.size < _FEWEST_ROWS:
        return ()
    heights = np.ascontiguousarray(rows[away], np.float64)
    amounts = heights if amount is None else amount[away]
    peaks, prominences, near, far = _peaks(heights, keep, least * float(np.median(heights)))
    whole = float(amounts.sum())
    zones = []
    for peak, prominence, first, last in zip(peaks, prominences, near, far, strict=True):
        ends = away[first], away[last]
        total = float(amounts[first : last + 1].sum())
        zones.append(
            Zone(
                low=float(edges[min(ends)]),
                high=float(edges[max(ends) + 1]),
                price=float(edges[away[peak]] + edges[away[peak] + 1]) / 2.0,
                height=float(heights[peak]),
                prominence=float(prominence),
                total=total,
                share=total / whole if whole > 0.0 else 0.0,
            )
        )
    return tuple(zones)


def _away(edges: Floats, price: float, side: int, reach: float) -> NDArray[np.int64]:
    """Return a side's rows within reach, the nearest to the price first."""
    distance = -side * ((edges[:-1] + edges[1:]) / 2.0 / price - 1.0)
    rows = np.flatnonzero((distance > 0.0) & (distance < reach))
    return rows[::-1] if side == LONG else rows


@njit(cache=True, nogil=True)
def _peaks(
    heights: Floats, keep: float, least: float
) -> tuple[NDArray[np.int64], Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Return the peaks that stand out, their prominences, and the first and last row of each."""
    count = heights.size
    peaks, near, far = (
        np.empty(count, np.int64),
        np.empty(count, np.int64),
        np.empty(count, np.int64),
    )
    prominences = np.empty(count)
    found = 0
    for row in range(1, count - 1):
        height = heights[row]
        # The last row of a plateau is its peak.
        if height < heights[row - 1] or height <= heights[row + 1] or height < least:
            continue
        before, after = height, height
        first, last = row, row
        while first > 0 and heights[first - 1] <= height:
            first -= 1
            before = min(before, heights[first])
        while last < count - 1 and heights[last + 1] <= height:
            last += 1
            after = min(after, heights[last])
        prominence = height - max(before, after)
        if prominence < keep * height:
            continue
        ground = height - prominence / 2.0
        first, last = row, row
        while first > 0 and ground < heights[first - 1] <= height:
            first -= 1
        while last < count - 1 and ground < heights[last + 1] <= height:
            last += 1
        peaks[found], prominences[found], near[found], far[found] = row, prominence, first, last
        found += 1
    return peaks[:found], prominences[:found], near[:found], far[:found]
