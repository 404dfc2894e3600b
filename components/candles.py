"""Candles as outlines: two paths for hundreds of them, however many there are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.arrays import milliseconds
from components.view import Candles

Floats = NDArray[np.float64]

# Steps at which a coarser candle may begin, so that it begins at a round time. [min]
_STEPS = (1, 5, 15, 30, 60, 120, 240, 360, 480, 720, 1440, 2880, 4320, 10080)
_BODY = 0.66


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """Closed polygons, one after the other with NaN between, shape (11 n,) each.

    ``x`` is in milliseconds since 1970, ``y`` in quote asset.
    """

    x: Floats
    y: Floats


def coarser_candles(candles: Candles, at_most: int) -> Candles:
    """Return the candles, joined to the finest round step of which no more than ``at_most`` fit."""
    n = candles.open_time.size
    if n < 2 or n <= at_most:
        return candles
    minutes = candles.open_time.astype("datetime64[m]").astype(np.int64)
    span = int(minutes[-1] - minutes[0])
    step = next((s for s in _STEPS if span // s < at_most), _STEPS[-1])
    begins = np.concatenate([[True], np.diff(minutes // step) > 0])
    first = np.flatnonzero(begins)
    last = np.append(first[1:], n) - 1
    return Candles(
        open_time=(minutes[first] // step * step).astype("datetime64[m]").astype("datetime64[us]"),
        open=candles.open[first],
        high=np.fmax.reduceat(candles.high, first),
        low=np.fmin.reduceat(candles.low, first),
        close=candles.close[last],
    )


def candle_outlines(candles: Candles, stop: np.datetime64 | None = None) -> tuple[Outline, Outline]:
    """Return the outlines of the candles that rose (or stood), and of those that fell.

    One that is alone is as wide as it is to ``stop``, the end of what is shown.
    """
    x = milliseconds(candles.open_time)
    ends = x if stop is None or x.size != 1 else np.append(x, milliseconds(np.array([stop])))
    width = float(np.median(np.diff(ends))) if ends.size > 1 else 60_000.0
    rose = candles.close >= candles.open
    return _outline(candles, x, width, rose), _outline(candles, x, width, ~rose)


def _outline(candles: Candles, start: Floats, width: float, chosen: NDArray[np.bool_]) -> Outline:
    middle = start[chosen] + width / 2.0
    left, right = middle - width * _BODY / 2.0, middle + width * _BODY / 2.0
    low, high = candles.low[chosen], candles.high[chosen]
    bottom = np.minimum(candles.open[chosen], candles.close[chosen])
    top = np.maximum(candles.open[chosen], candles.close[chosen])
    gap = np.full(middle.size, np.nan)
    # Up the lower wick, round the body over the upper wick, and back.
    x = (middle, middle, left, left, middle, middle, middle, right, right, middle, gap)
    y = (low, bottom, bottom, top, top, high, top, top, bottom, bottom, gap)
    return Outline(np.column_stack(x).ravel(), np.column_stack(y).ravel())
