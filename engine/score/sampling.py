"""What a map held at many moments, by distance from the price of each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from engine.ensemble import Book
from engine.heatmap import rasterise
from engine.kernels import Floats
from engine.market import Market, Times

FLOOR = 0.05
"""Share of a density that is spread evenly, so that no cell is held to be impossible. [-]"""

_MOST_CELLS = 4_000_000  # of a raster in memory, both sides
_MOST_BUCKETS = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Moments at which a map is looked at.

    Attributes
    ----------
    time : ndarray of datetime64[us], shape (m,)
        Ascending; what a map shows at a moment is known by then. [UTC]
    price : ndarray, shape (m,)
        Price at the moment. [quote]
    """

    time: Times
    price: Floats

    def __len__(self) -> int:
        """Return the number of moments."""
        return self.time.size


Held = Callable[[Moments, Floats], Floats]
"""What a map held: from moments and cell edges as distances from the price, ascending, shape
(k + 1,), to amounts by side, shape (2, m, k). Distances are price / price of the moment − 1."""


Draw = Callable[[Times, Floats], Floats]
"""What was open at the end of columns by price: from edges of columns, shape (m + 1,), and of
buckets, shape (k + 1,), to notional, shape (2, k, m). [quote]"""


def held_by(book: Book, lasting: timedelta | None = None) -> Held:
    """Return a function that returns what a book held at moments, by distance from the price.

    Its amounts are notional [quote]; with ``lasting``, of what should last that much longer.
    """
    return held_in(lambda times, edges: rasterise(book, times, edges, lasting=lasting).active)


def held_in(draw: Draw) -> Held:
    """Return a function that returns what any map held at moments, by distance from the price."""

    def held(moments: Moments, offsets: Floats) -> Floats:
        found = np.zeros((2, len(moments), offsets.size - 1))
        for chosen in _chunks(moments, offsets):
            found[:, chosen] = _held(draw, moments, offsets, chosen)
        return found

    return held


def _held(draw: Draw, moments: Moments, offsets: Floats, chosen: slice) -> Floats:
    """Return what cells held at a few moments, from a raster of finer buckets."""
    times, prices = moments.time[chosen], moments.price[chosen]
    before = times[:1] - np.timedelta64(1, "us")
    edges = _edges(prices, offsets)
    below = np.zeros((2, times.size, edges.size))
    active = draw(np.concatenate((before, times)), edges).transpose(0, 2, 1)
    np.cumsum(active, axis=2, out=below[:, :, 1:])
    # A bucket's content is taken to be spread evenly over it.
    at = (prices[:, None] * (1.0 + offsets) - edges[0]) / (edges[1] - edges[0])
    lower = np.clip(at.astype(np.int64), 0, edges.size - 2)
    share = np.clip(at - lower, 0.0, 1.0)
    moment = np.arange(times.size)[:, None]
    up_to = below[:, moment, lower] * (1.0 - share) + below[:, moment, lower + 1] * share
    return np.asarray(np.maximum(np.diff(up_to, axis=2), 0.0))


def _edges(prices: Floats, offsets: Floats) -> Floats:
    """Return edges of buckets a fifth as wide as the narrowest cell, as far as memory allows."""
    low = float(prices.min()) * (1.0 + float(offsets[0]))
    high = float(prices.max()) * (1.0 + float(offsets[-1]))
    finest = float(np.diff(offsets).min()) * float(prices.min()) / 5.0
    count = int(min(np.ceil((high - low) / finest), _MOST_BUCKETS))
    return np.linspace(max(low, 0.0), high, max(count, 1) + 1)


def _chunks(moments: Moments, offsets: Floats) -> Iterator[slice]:
    """Yield runs of moments whose raster fits in memory."""
    first = 0
    while first < len(moments):
        low = np.minimum.accumulate(moments.price[first:]) * (1.0 + offsets[0])
        high = np.maximum.accumulate(moments.price[first:]) * (1.0 + offsets[-1])
        finest = np.diff(offsets).min() * np.minimum.accumulate(moments.price[first:]) / 5.0
        buckets = np.minimum((high - low) / finest, _MOST_BUCKETS)
        cells = 2.0 * buckets * np.arange(1, low.size + 1)
        count = max(int(np.searchsorted(cells, _MOST_CELLS)), 1)
        yield slice(first, first + count)
        first += count


def by_cell(held: Held, moments: Moments, width: float, cells: int) -> Floats:
    """Return what cells held, counted from the price outwards, longs below and shorts above it.

    Parameters
    ----------
    held : callable
        What a map held.
    moments : Moments
        When; m of them.
    width : float
        Of a cell, of the price. [-]
    cells : int
        How many on each side.

    Returns
    -------
    ndarray, shape (2, m, cells)
    """
    amounts = held(moments, width * np.arange(-cells, cells + 1, dtype=np.float64))
    return np.stack([amounts[0, :, cells - 1 :: -1], amounts[1, :, cells:]])


def log_gain(density: Floats) -> Floats:
    """Return the logarithm of densities relative to an even one, `FLOOR` of them spread evenly.

    0 is an even density, ``ln(FLOOR)`` an empty cell. [nats]
    """
    return np.asarray(np.log((1.0 - FLOOR) * density + FLOOR))


def hours_of(market: Market, warm_up: timedelta) -> Moments:
    """Return the full hours at which a market has a map and a price, after its warm-up."""
    ends = market.open_time + np.timedelta64(market.interval)
    hours = np.flatnonzero(ends == ends.astype("datetime64[h]"))
    if hours.size:
        hours = hours[ends[hours] >= market.open_time[0] + np.timedelta64(warm_up)]
    return Moments(ends[hours], market.close[hours])


def cells_of(distance: Floats, offsets: Floats) -> NDArray[np.int64]:
    """Return the cell of each distance, -1 outside all."""
    cell = np.searchsorted(offsets, distance, side="right") - 1
    inside = (cell >= 0) & (cell < offsets.size - 1)
    return np.where(inside, cell, -1)
