"""What is open now, by price, beside the map: long, short, and what a move would close."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.arrays import encoded
from components.contrast import rgba
from components.theme import Theme
from components.view import HeatmapView

Trace = dict[str, Any]
Floats = NDArray[np.float64]


def profile_traces(view: HeatmapView, theme: Theme) -> list[Trace]:
    """Return bars of open long and short notional by price, and their running sums."""
    edges, last_price = view.heatmap.edges, view.key_figures.last_price
    middle = (edges[:-1] + edges[1:]) / 2.0
    long, short = view.smooth(view.heatmap.active[:, :, -1:])[:, :, 0]
    long_closed, short_closed = cumulative(long, short, middle, last_price)
    return [
        _bars("open longs", middle, long, theme.long),
        _bars("open shorts", middle, short, theme.short),
        _curve("longs closed by a fall", middle, long_closed, theme.long),
        _curve("shorts closed by a rise", middle, short_closed, theme.short),
    ]


def cumulative(
    long: Floats, short: Floats, middle: Floats, last_price: float
) -> tuple[Floats, Floats]:
    """Return what a move from the last price to each bucket would close on the way.

    Parameters
    ----------
    long, short : ndarray, shape (n,)
        Open notional by price bucket. [quote]
    middle : ndarray, shape (n,)
        Middles of the buckets, ascending. [quote]
    last_price : float
        Where the move begins. [quote]

    Returns
    -------
    tuple of ndarray, shape (n,)
        Long notional by a fall, NaN above the price; short notional by a rise, NaN below. [quote]
    """
    below = middle <= last_price
    fall = np.where(below, np.cumsum(np.where(below, long, 0.0)[::-1])[::-1], np.nan)
    rise = np.where(below, np.nan, np.cumsum(np.where(below, 0.0, short)))
    return fall, rise


def _bars(name: str, middle: Floats, notional: Floats, colour: str) -> Trace:
    # One filled staircase draws as one path; four hundred bars would be four hundred.
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": encoded(notional),
        "y": encoded(middle),
        "xaxis": "x2",
        "line": {"color": colour, "width": 1, "shape": "vh"},
        "fill": "tozerox",
        "fillcolor": rgba(colour, 0.55),
        "hoverinfo": "skip",
    }


def _curve(name: str, middle: Floats, notional: Floats, colour: str) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": encoded(notional),
        "y": encoded(middle),
        "xaxis": "x3",
        "line": {"color": colour, "width": 1.6, "dash": "3px,2px"},
        "hoverinfo": "skip",
    }
