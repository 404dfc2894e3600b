"""Observed positions as lines: each at its real liquidation price, for as long as it was seen."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.arrays import dates, encoded, milliseconds
from components.contrast import rgba
from components.palettes import CASING, LONG_HELD, SHORT_HELD
from components.view import Positions
from engine.heatmap import Heatmap

Trace = dict[str, Any]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MOST_POSITIONS = 400
"""More lines than this hide the map; the largest are drawn."""

# Line width [px] and opacity [-] from shares of the largest notional on, the least first: one
# trace draws many lines, but all alike.
_GRADES = ((0.0, 1.0, 0.75), (0.04, 1.6, 0.9), (0.25, 2.4, 1.0))
_SIDES = ((1, "observed longs", LONG_HELD, "solid"), (-1, "observed shorts", SHORT_HELD, "9px,3px"))


def position_traces(positions: Positions, heatmap: Heatmap) -> list[Trace]:
    """Return horizontal lines, longs solid and shorts dashed, the heavier the larger.

    A position that was seen only once is as long as a column.
    """
    drawn = largest_positions(positions, heatmap)
    share = drawn.notional / drawn.notional.max(initial=0.0)
    grade = np.searchsorted([least for least, _, _ in _GRADES], share, side="right") - 1
    start, stop = _spans(drawn, heatmap)

    def lines(name: str, chosen: Bools, width: float, colour: str, dash: str) -> Iterator[Trace]:
        if chosen.any():
            price = drawn.liquidation_price[chosen]
            line = {"width": width, "color": colour, "dash": dash, "simplify": False}
            yield _trace(name, *_points(start[chosen], stop[chosen], price), line)

    traces: list[Trace] = []
    for i, (_, width, opacity) in enumerate(_GRADES):
        alike = grade == i
        traces += lines("position rims", alike, width + 2.0, rgba(CASING, 0.85 * opacity), "solid")
        for side, name, colour, dash in _SIDES:
            traces += lines(name, alike & (drawn.side == side), width, rgba(colour, opacity), dash)
    return traces


def largest_positions(positions: Positions, heatmap: Heatmap) -> Positions:
    """Return the largest positions within the map, at most ``MOST_POSITIONS``, smallest first."""
    price = positions.liquidation_price
    inside = (positions.last_seen >= heatmap.times[0]) & (positions.first_seen < heatmap.times[-1])
    # Comparisons with NaN are false: what can't be liquidated has no line.
    inside &= (price >= heatmap.edges[0]) & (price < heatmap.edges[-1])
    inside &= positions.notional > 0.0
    rows = np.flatnonzero(inside)
    return positions.take(
        rows[np.argsort(positions.notional[rows], kind="stable")][-MOST_POSITIONS:]
    )


def _spans(positions: Positions, heatmap: Heatmap) -> tuple[Floats, Floats]:
    """Return where lines begin and end. [ms]"""
    edges = milliseconds(heatmap.times)
    start = np.maximum(milliseconds(positions.first_seen), edges[0])
    stop = np.minimum(milliseconds(positions.last_seen), edges[-1])
    stop = np.maximum(stop, start + edges[1] - edges[0])
    # At the map's end there is room only to the left.
    over = np.maximum(stop - edges[-1], 0.0)
    return start - over, stop - over


def _points(start: Floats, stop: Floats, price: Floats) -> tuple[Floats, Floats]:
    """Return the points of separate lines, with NaN between."""
    nothing = np.full(start.size, np.nan)
    x = np.column_stack([start, stop, nothing]).ravel()
    return x, np.column_stack([price, price, nothing]).ravel()


def _trace(name: str, x: Floats, y: Floats, line: dict[str, Any]) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        "yaxis": "y2",  # over the heat and what was consumed of it
        "name": name,
        "x": dates(x),
        "y": encoded(y),
        "line": line,
        "hoverinfo": "skip",
    }
