"""Traces over time and price: the heat, what was consumed, candles, liquidations, gaps."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.arrays import dates, encoded, milliseconds
from components.candles import Outline, candle_outlines, coarser_candles
from components.contrast import rgba
from components.palettes import CASING, FALLING, LONG_CLOSED, RISING, SHORT_CLOSED, Palette
from components.scales import ColourScale, colour_scale
from components.theme import Theme
from components.view import Candles, HeatmapView, Liquidations
from engine.heatmap import Heatmap

Trace = dict[str, Any]

# More candles than this are narrower than one can see; more markers hide the map.
MOST_CANDLES = 180
MOST_LIQUIDATIONS = 250
_MARKER_SIZE = (5.0, 22.0)


def active_trace(
    view: HeatmapView, scale: ColourScale, palette: Palette, theme: Theme, shown: bool
) -> Trace:
    """Return the heat of open levels, as colour numbers 0 to 255.

    Hidden it stays in place, transparent: it is what the cursor reads.
    """
    return _grid(view.heatmap) | {
        "name": "active",
        "z": encoded(scale.index(view.heat)),
        "colorscale": palette.colorscale(theme.ground),
        "opacity": 1.0 if shown else 0.0,
    }


def consumed_trace(heatmap: Heatmap, palette: Palette) -> Trace | None:
    """Return the levels liquidated within each column, or None where there are none."""
    consumed = heatmap.consumed.sum(axis=0)
    rows = np.flatnonzero(consumed.any(axis=1))
    if rows.size == 0:
        return None
    # Only the band of prices that was visited: the rest would be drawn, and be empty.
    band = slice(int(rows[0]), int(rows[-1]) + 1)
    scale = colour_scale(consumed[band], "linear")
    return _grid(heatmap) | {
        "name": "consumed",
        "yaxis": "y2",
        "y": encoded(heatmap.edges[band.start : band.stop + 1]),
        "z": encoded(scale.index(consumed[band])),
        "colorscale": palette.consumed_colorscale(),
    }


def _grid(heatmap: Heatmap) -> Trace:
    return {
        "type": "heatmap",
        "x": dates(milliseconds(heatmap.times)),
        "y": encoded(heatmap.edges),
        "zmin": 0,
        "zmax": 255,
        "zsmooth": False,
        "showscale": False,
        "hoverinfo": "skip",
    }


def candle_traces(
    candles: Candles, at_most: int = MOST_CANDLES, stop: np.datetime64 | None = None
) -> list[Trace]:
    """Return candles up to ``stop`` with a dark rim, so that they stand out on every colour."""
    rising, falling = candle_outlines(coarser_candles(candles, at_most), stop)
    rim = Outline(np.concatenate([rising.x, falling.x]), np.concatenate([rising.y, falling.y]))
    return [
        _candle_trace("candle rims", rim, CASING, 3.0),
        _candle_trace("candles rising", rising, RISING, 1.0),
        _candle_trace("candles falling", falling, FALLING, 1.0),
    ]


def _candle_trace(name: str, outline: Outline, colour: str, width: float) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": dates(outline.x),
        "y": encoded(outline.y),
        "line": {"color": colour, "width": width, "simplify": False},
        "fill": "toself",
        "fillcolor": colour,
        "hoverinfo": "skip",
    }


def liquidation_traces(liquidations: Liquidations) -> list[Trace]:
    """Return the largest realised liquidations, longs pointing down and shorts up."""
    largest = np.argsort(liquidations.notional)[-MOST_LIQUIDATIONS:]
    top = float(liquidations.notional[largest].max()) if largest.size else 1.0
    traces = []
    for side, name, symbol, colour in (
        (1, "long liquidations", "triangle-down", LONG_CLOSED),
        (-1, "short liquidations", "triangle-up", SHORT_CLOSED),
    ):
        chosen = largest[liquidations.side[largest] == side]
        notional = liquidations.notional[chosen]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "yaxis": "y2",  # over what was consumed
                "name": name,
                "x": dates(milliseconds(liquidations.time[chosen])),
                "y": encoded(liquidations.price[chosen].astype(np.float64)),
                "marker": {
                    "symbol": symbol,
                    "color": rgba(colour, 0.9),
                    "size": encoded(_marker_size(notional, top)),
                    "line": {"color": CASING, "width": 1},
                },
                "hoverinfo": "skip",
            }
        )
    return traces


def _marker_size(notional: NDArray[np.float64], top: float) -> NDArray[np.float32]:
    # The area, not the diameter, is what the eye compares.
    small, large = _MARKER_SIZE
    return np.maximum(small, large * np.sqrt(notional / top)).astype(np.float32)


def gap_trace(
    gaps: Sequence[tuple[np.datetime64, np.datetime64]], heatmap: Heatmap, theme: Theme
) -> Trace | None:
    """Return hatching over the spans where data are missing, or None where none are."""
    if not gaps:
        return None
    low, high = float(heatmap.edges[0]), float(heatmap.edges[-1])
    spans = milliseconds(np.array(gaps, dtype="datetime64[us]"))
    start, stop = spans[:, 0], spans[:, 1]
    nothing = np.full(start.size, np.nan)
    x = np.column_stack([start, stop, stop, start, nothing]).ravel()
    y = np.tile([low, low, high, high, np.nan], start.size)
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "gaps",
        "x": dates(x),
        "y": encoded(y),
        "line": {"width": 0},
        "fill": "toself",
        "fillcolor": rgba(theme.plot, 0.45),
        "fillpattern": {
            "shape": "/",
            "size": 7,
            "solidity": 0.2,
            "fgcolor": theme.muted,
            "bgcolor": rgba(theme.plot, 0.45),
        },
        "hoverinfo": "skip",
    }
