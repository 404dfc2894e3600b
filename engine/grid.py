"""Choosing the grid of a picture: whole bars to a column, round prices to a bucket."""

from datetime import timedelta
from math import ceil, floor, isfinite, log10

import numpy as np

from engine.kernels import Floats
from engine.market import Times

_DAY = timedelta(days=1)
_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)
_NARROWEST = 1e-12
"""Least width of a bucket, of the highest price: far more than what floats can tell apart."""
_PRICES = (1e-250, 1e250)
"""Least and greatest top of a price range, so that widths and products stay finite numbers."""


def time_edges(
    start: np.datetime64, stop: np.datetime64, interval: timedelta, columns: int
) -> Times:
    """Return edges of at most ``columns`` time columns of whole bars that hold start to stop.

    Their width divides the day or is whole days, so that days begin with a column, and they begin
    at multiples of it since 1970, so that they stay where they are when the range moves.
    """
    bars = (stop - start) / np.timedelta64(interval)
    step = max(1, ceil(bars / columns)) * interval
    while True:
        if not _DAY % step or not step % _DAY:
            edges = step_edges(start, stop, step)
            # Reaching back to a multiple can cost a column more than the range alone.
            if edges.size - 1 <= columns or columns == 1:
                return edges
        step += interval


def step_edges(start: np.datetime64, stop: np.datetime64, step: timedelta) -> Times:
    """Return edges of columns of one width, multiples of it since 1970, that hold start to stop."""
    width = step // timedelta(microseconds=1)
    first, last = (int(t.astype("datetime64[us]").astype(np.int64)) for t in (start, stop))
    low, high = first // width, -(-last // width)
    edges = np.arange(low, max(high, low + 1) + 1, dtype=np.int64) * width
    return edges.astype("datetime64[us]")


def price_edges(low: float, high: float, buckets: int) -> Floats:
    """Return edges of at most ``buckets`` price buckets of a round width that hold low to high.

    One bucket becomes two where a round edge lies inside the range.

    Raises
    ------
    ValueError
        If the range is empty, negative or infinite, or too narrow for that many buckets.
    """
    if not (0.0 <= low < high and isfinite(high)):
        raise ValueError(
            f"the price range must ascend from 0 or more to a finite price, but is {low:g} to "
            f"{high:g}"
        )
    least, greatest = _PRICES
    if not least <= high <= greatest:
        raise ValueError(
            f"the highest price must be between {least:g} and {greatest:g}, but is {high:g}"
        )
    if (high - low) / buckets < _NARROWEST * high:
        raise ValueError(
            f"the price range {float(low)} to {float(high)} is too narrow for {buckets} buckets; "
            "choose a wider one"
        )
    width = round_up((high - low) / buckets)
    while ceil(high / width) - floor(low / width) > buckets and buckets > 1:
        width = round_up(width * 1.01)
    first, last = floor(low / width), ceil(high / width)
    return np.arange(first, last + 1, dtype=np.float64) * width


def width_edges(low: float, high: float, width: float, most: int) -> Floats:
    """Return edges of price buckets of one width, multiples of it, that hold low to high.

    Raises
    ------
    ValueError
        If the range does not ascend or the width is unusable, or there would be more than ``most``
        buckets; the message says which width would do.
    """
    price_edges(low, high, most)  # says what is wrong with the range
    if not (width > 0.0 and isfinite(width)):
        raise ValueError(f"the width of the price buckets must be above zero, but is {width:g}")
    if high / width > 2.0**52 or ceil(high / width) - floor(low / width) > most:
        raise ValueError(
            f"price buckets of {width:g} are too many from {low:g} to {high:g}: at most {most} are "
            f"possible, of {round_up((high - low) / most):g} or more"
        )
    first, last = floor(low / width), ceil(high / width)
    return np.arange(first, max(last, first + 1) + 1, dtype=np.float64) * width


def round_up(value: float) -> float:
    """Return the smallest of 1, 2, 2.5, 5 times a power of ten that is at least ``value``."""
    power = 10.0 ** floor(log10(value))
    return next(power * step for step in _ROUND if power * step >= value * (1 - 1e-12))


def shown_range(low: float, high: float) -> tuple[float, float]:
    """Return the price range to show around a window's candles: where nearby levels lie. [quote]

    A third of the candles' range is added on both sides, at least 4 % of the price.
    """
    margin = max(0.35 * (high - low), 0.04 * high)
    return max(low - margin, 0.0), high + margin
