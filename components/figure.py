"""The heatmap figure, put together from its traces."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from components.contrast import rgba
from components.formats import price_digits, price_text, time_text, usd
from components.heat_traces import (
    MOST_CANDLES,
    active_trace,
    candle_traces,
    consumed_trace,
    gap_trace,
    liquidation_traces,
)
from components.palettes import CASING, PALETTES, RISING
from components.position_traces import position_traces
from components.profile_traces import profile_traces
from components.scales import ColourScale
from components.theme import FONT, THEMES, Theme, exchange_name
from components.view import HeatmapView

LAYERS = ("active", "consumed", "candles", "positions", "liquidations", "profile")

PROFILE_WIDTH = 0.14
"""Share of the figure's width that the profile takes."""

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Look:
    """How a view is drawn.

    Attributes
    ----------
    mapping, palette, theme : str
        Names of `scales.MAPPINGS`, `palettes.PALETTES` and `theme.THEMES`.
    layers : tuple of str
        Those of `LAYERS` that are shown.
    intensity : tuple of int
        Colour numbers drawn as least and as most, 0 to 255.
    zoom_time, zoom_price : tuple of float or None
        Ranges of the axes [ms since 1970] and [quote]; the whole view if None.
    compact : bool
        Whether the screen is a phone's: no profile, fewer ticks.
    """

    mapping: str = "linear"
    palette: str = "viridis"
    theme: str = "dark"
    layers: tuple[str, ...] = LAYERS
    intensity: tuple[int, int] = (0, 255)
    zoom_time: Range | None = None
    zoom_price: Range | None = None
    compact: bool = False


def heatmap_figure(
    view: HeatmapView, scale: ColourScale, look: Look, revision: str = ""
) -> dict[str, Any]:
    """Return the figure of a view.

    Parameters
    ----------
    view : HeatmapView
        What to draw.
    scale : ColourScale
        From notional to colour; the legend is made from the same.
    look : Look
        How to draw it.
    revision : str
        While it stays the same, the reader's zoom is kept.

    Returns
    -------
    dict
        A Plotly figure; the first trace is the heat.
    """
    profile = "profile" in look.layers and not look.compact
    theme = THEMES[look.theme]
    data = _time_traces(view, scale, look, theme)
    if profile:
        data += profile_traces(view, theme)
    return {"data": data, "layout": _layout(view, look, theme, profile, revision)}


def empty_figure(theme_name: str = "dark") -> dict[str, Any]:
    """Return a figure with nothing in it, in the theme's colours."""
    theme = THEMES[theme_name]
    hidden = {"visible": False, "fixedrange": True}
    return {
        "data": [],
        "layout": {
            "paper_bgcolor": theme.paper,
            "plot_bgcolor": theme.plot,
            "xaxis": hidden,
            "yaxis": hidden,
        },
    }


def _time_traces(
    view: HeatmapView, scale: ColourScale, look: Look, theme: Theme
) -> list[dict[str, Any]]:
    palette = PALETTES[look.palette]
    heat = active_trace(view, scale, palette, theme, "active" in look.layers)
    heat["zmin"], heat["zmax"] = look.intensity
    traces = [heat, *_present(gap_trace(view.gaps, view.heatmap, theme))]
    if "candles" in look.layers:
        most = MOST_CANDLES // 2 if look.compact else MOST_CANDLES
        traces += candle_traces(view.candles, most, view.heatmap.times[-1])
    if "consumed" in look.layers:
        # Price consumes what it touches: under the candles one would not see it.
        traces += _present(consumed_trace(view.heatmap, palette))
    if "positions" in look.layers:
        traces += position_traces(view.positions, view.heatmap)
    if "liquidations" in look.layers:
        traces += liquidation_traces(view.liquidations)
    return traces


def _present(trace: dict[str, Any] | None) -> list[dict[str, Any]]:
    return [] if trace is None else [trace]


def _layout(
    view: HeatmapView, look: Look, theme: Theme, profile: bool, revision: str
) -> dict[str, Any]:
    last = view.key_figures.last_price
    edge = 1.0 - PROFILE_WIDTH if profile else 1.0
    layout: dict[str, Any] = {
        "paper_bgcolor": theme.paper,
        "plot_bgcolor": theme.plot,
        "font": {"family": FONT, "size": 12, "color": theme.text},
        "margin": {
            "l": 10,
            "r": 64 if look.compact else 78,
            "t": 44 if profile else 26,  # the profile's title has two lines
            "b": 48,
            "pad": 0,
        },
        "showlegend": False,
        "hovermode": False,
        "dragmode": "pan",
        "uirevision": revision,
        "xaxis": _time_axis(view, look, theme, edge),
        "yaxis": _price_axis(view, look, theme, profile),
        # Plotly draws heat under lines; what was consumed lies over the candles as its own plot.
        "yaxis2": {"overlaying": "y", "matches": "y", "visible": False},
        "shapes": _last_price_line(last),
        "annotations": [_last_price_tag(last, theme), _title(view, theme)],
    }
    if profile:
        layout |= _profile_axes(view, theme, edge)
        layout["annotations"].append(_profile_title(view, theme, edge))
    return layout


def _time_axis(view: HeatmapView, look: Look, theme: Theme, edge: float) -> dict[str, Any]:
    times = view.heatmap.times[[0, -1]]
    if view.liquidations.time.size and view.liquidations.time[-1] > times[1]:
        # What came since the last bar stands beyond it, with room for its sign.
        times[1] = view.liquidations.time[-1] + (times[1] - times[0]) / 100
    if look.zoom_time is not None:
        times = np.array(look.zoom_time).astype("datetime64[ms]")
    return _axis(theme) | {
        "type": "date",
        "domain": [0.0, edge],
        "range": np.datetime_as_string(times, unit="ms").tolist(),
        "nticks": 5 if look.compact else 12,
        "tickangle": 0,
        "title": {"text": "Time (UTC)", "standoff": 6, "font": {"size": 11}},
        "tickfont": {"size": 11, "color": theme.muted},
    }


def _price_axis(view: HeatmapView, look: Look, theme: Theme, profile: bool) -> dict[str, Any]:
    edges = view.heatmap.edges
    return _axis(theme) | {
        "side": "right",
        "anchor": "x2" if profile else "x",
        "range": list(look.zoom_price or (float(edges[0]), float(edges[-1]))),
        "nticks": 12,
        "tickformat": f",.{_tick_digits(view)}f",
        "tickfont": {"size": 11, "color": theme.muted},
    }


def _tick_digits(view: HeatmapView) -> int:
    # A tick needs no more decimals than tell it from the next one.
    span = float(np.ptp(view.heatmap.edges)) / 12.0
    needed = max(0, -int(np.floor(np.log10(span)))) if span > 0.0 else 2
    return min(needed, max(price_digits(view.key_figures.last_price), needed))


def _axis(theme: Theme) -> dict[str, Any]:
    return {
        "showgrid": True,
        "gridcolor": theme.grid,
        "zeroline": False,
        "showline": False,
        "ticks": "",
        "layer": "below traces",
        "color": theme.muted,
    }


def _last_price_line(price: float) -> list[dict[str, Any]]:
    """Return light dashes on a dark line: one of the two shows on every colour."""
    place = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": price, "y1": price}
    return [
        place | {"line": {"color": rgba(CASING, 0.7), "width": 1.2}},
        place | {"line": {"color": RISING, "width": 1.2, "dash": "2px,3px"}},
    ]


def _last_price_tag(price: float, theme: Theme) -> dict[str, Any]:
    return {
        "name": "last price",
        "xref": "paper",
        "x": 1,
        "y": price,
        "xanchor": "left",
        "yanchor": "middle",
        "showarrow": False,
        "text": f"<b>{price_text(price)}</b>",
        "font": {"size": 11, "color": theme.tag_text},
        "bgcolor": theme.tag,
        "borderpad": 3,
    }


def _title(view: HeatmapView, theme: Theme) -> dict[str, Any]:
    names = " + ".join(exchange_name(exchange) for exchange in view.exchanges)
    return _above(0.0, f"<b>{view.symbol}</b>  {names}", theme)


def _profile_title(view: HeatmapView, theme: Theme, edge: float) -> dict[str, Any]:
    end = view.heatmap.times[-1]
    when = "now" if end >= view.data_stop else f"at {time_text(end)[5:]}"
    text = (
        f'Open {when}<br><span style="color:{theme.short}">■</span> short '
        f'<span style="color:{theme.long}">■</span> long ┄ cumulative'
    )
    # However wide it is, it stays clear of a price that is written at the axis' upper end.
    return _above(edge + 0.006, text, theme) | {"align": "left", "yshift": 5}


def _above(x: float, text: str, theme: Theme) -> dict[str, Any]:
    return {
        "xref": "paper",
        "yref": "paper",
        "x": x,
        "y": 1.0,
        "xanchor": "left",
        "yanchor": "bottom",
        "showarrow": False,
        "text": text,
        "font": {"size": 11, "color": theme.muted},
    }


def _profile_axes(view: HeatmapView, theme: Theme, edge: float) -> dict[str, Any]:
    most = float(view.heatmap.active[:, :, -1].max(initial=0.0))
    mark = _round_below(0.8 * most)
    amounts = _axis(theme) | {
        "domain": [edge + 0.006, 1.0],
        "range": [0.0, most * 1.04 or 1.0],
        "showgrid": False,
        "fixedrange": True,
        "tickvals": [mark],
        "ticktext": [usd(mark).replace(".0", "")],
        "tickangle": 0,
        "tickfont": {"size": 10, "color": theme.muted},
    }
    curves = _axis(theme) | {
        "domain": amounts["domain"],
        "overlaying": "x2",
        "showgrid": False,
        "showticklabels": False,
        "fixedrange": True,
        "rangemode": "tozero",
    }
    return {"xaxis2": amounts, "xaxis3": curves}


def _round_below(amount: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is not above the amount."""
    if amount <= 0.0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(amount))
    return float(max(step for step in (power, 2 * power, 5 * power) if step <= amount))
