"""From the reader's choices to the page's picture, without Dash."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from dash.development.base_component import Component
from pydantic import ValidationError

from app.errors import NoData
from app.heatmaps import Heatmaps
from app.page_state import PageState, asked_start, visible_range
from app.request import HeatmapRequest
from app.stored_book import time64
from app.validation import sentence
from components.arrays import milliseconds
from components.figure import Look, heatmap_figure
from components.formats import price_digits
from components.key_figures import key_figures_strip
from components.legend import LegendValues, legend_values
from components.messages import (
    bad_request_message,
    empty_store_message,
    failure_message,
    no_data_message,
)
from components.position_traces import largest_positions
from components.presets import FITTED_PRESET, PRESETS
from components.provenance import provenance
from components.scales import colour_scale
from components.theme import exchange_name
from components.view import HeatmapView

logger = logging.getLogger(__name__)

# What a figure of the usual size can show; more is computed and sent for nothing.
GRID, COMPACT_GRID = (500, 400), (240, 300)


@dataclass(frozen=True, slots=True)
class Picture:
    """What the page shows for a view.

    ``shown`` is what scripts and the cursor's callback need to know about it.
    """

    figure: dict[str, Any]
    key_figures: list[Component]
    legend: LegendValues
    provenance: list[str]
    skill: str
    simulated: bool
    last_price: float
    shown: dict[str, Any]


Message = list[Component]


def draw(heatmaps: Heatmaps, state: PageState, *, collecting: bool = False) -> Picture | Message:
    """Return the picture of a state, or the message that stands in its place.

    Where nothing is stored, it depends on whether the server is ``collecting`` what one must do.
    """
    try:
        if not state.symbol:
            return empty_store_message(collecting=collecting)
        request = heatmap_request(heatmaps, state)
        asked = asked_start(state, _extent(heatmaps, state)[1])
        return picture(heatmaps.view(request), request, state, asked)
    except NoData as e:
        return no_data_message(_sentence(e), collecting=collecting)
    except ValidationError as e:
        return bad_request_message(sentence(e))
    except ValueError as e:
        return bad_request_message(_sentence(e))
    except Exception:
        logger.exception("the picture of %s failed", state)
        return failure_message()


def heatmap_request(heatmaps: Heatmaps, state: PageState) -> HeatmapRequest:
    """Return what to compute for a state.

    Raises
    ------
    NoData
        If nothing is stored for the symbol.
    ValueError
        If the range is not one.
    """
    extent = _extent(heatmaps, state)
    start, stop = visible_range(state, extent)
    low = high = None
    if state.zoom is not None:
        start, stop = _zoomed_time(state.zoom.start, state.zoom.stop, extent)
        low, high = _zoomed_price(state.zoom.low, state.zoom.high)
    columns, buckets = COMPACT_GRID if state.compact else GRID
    exchanges = _stored(state.exchanges, heatmaps.exchanges(state.symbol))
    return HeatmapRequest(
        symbol=state.symbol,
        start=start,
        stop=stop,
        exchanges=exchanges,
        lasting=PRESETS[state.preset].lasting,
        **_assumptions(heatmaps, state, exchanges),
        columns=columns,
        step=None,
        buckets=buckets,
        price_low=low,
        price_high=high,
    )


def _extent(heatmaps: Heatmaps, state: PageState) -> tuple[datetime, datetime]:
    return heatmaps.extent(state.symbol, assumed=state.assumed().parameters)


def _assumptions(
    heatmaps: Heatmaps, state: PageState, exchanges: tuple[str, ...]
) -> dict[str, Any]:
    if state.preset != FITTED_PRESET:
        return state.assumptions()
    fitted = heatmaps.fitted(state.symbol, exchanges)
    if fitted is None:
        on = " on " + " or ".join(map(exchange_name, exchanges)) if exchanges else ""
        raise NoData(
            f"Nothing was fitted to {state.symbol}{on} yet. Stop the server and run "
            f'"liqheat fit --symbol {state.symbol}", or choose another preset.'
        )
    return fitted


def _stored(chosen: Sequence[str], stored: Sequence[str]) -> tuple[str, ...]:
    # Another symbol may not be on all of the chosen exchanges; then the others are shown.
    return tuple(exchange for exchange in stored if exchange in chosen)


def _zoomed_time(
    start: datetime, stop: datetime, extent: tuple[datetime, datetime]
) -> tuple[datetime, datetime]:
    """Return the zoomed range in whole minutes, within what is stored."""
    minute = timedelta(minutes=1)
    start = start.replace(second=0, microsecond=0)
    whole = stop.replace(second=0, microsecond=0)
    stop = whole if whole == stop else whole + minute
    start, stop = max(start, extent[0]), min(stop, extent[1])
    if not start < stop:
        raise NoData(
            "Nothing is stored for the time you moved to. Double-click the figure, or choose a "
            "window, to come back."
        )
    return start, stop


def _zoomed_price(low: float, high: float) -> tuple[float, float]:
    # An axis may be dragged below zero, where no price is.
    return max(low, high * 1e-4), high


def picture(
    view: HeatmapView, request: HeatmapRequest, state: PageState, asked: datetime | None = None
) -> Picture:
    """Return the picture of a view in the look that the state asks for.

    ``asked`` is where the reader wanted it to begin, whether or not there are data.
    """
    view = replace(view, blur=PRESETS[state.preset].blur)
    scale = colour_scale(view.heat, state.mapping)
    return Picture(
        figure=heatmap_figure(view, scale, _look(state), _revision(state)),
        key_figures=key_figures_strip(view),
        legend=legend_values(view.heatmap, scale, state.palette),
        provenance=provenance(view, time64(asked) if asked else None),
        skill=f"Skill: {view.skill}" if view.skill else "",
        simulated=view.simulated,
        last_price=view.key_figures.last_price,
        shown=_shown(view, request),
    )


def _look(state: PageState) -> Look:
    zoom_time = zoom_price = None
    if (zoom := state.zoom) is not None:
        zoom_time = (zoom.start.timestamp() * 1000.0, zoom.stop.timestamp() * 1000.0)
        zoom_price = (zoom.low, zoom.high)
    return Look(
        mapping=state.mapping,
        palette=state.palette,
        theme=state.theme,
        layers=state.layers,
        intensity=state.colours,
        zoom_time=zoom_time,
        zoom_price=zoom_price,
        compact=state.compact,
    )


def _revision(state: PageState) -> str:
    # Another window is another picture, whatever the reader zoomed into before.
    return "|".join(
        str(part)
        for part in (state.symbol, state.window, state.start, state.stop, state.zoom is None)
    )


def _shown(view: HeatmapView, request: HeatmapRequest) -> dict[str, Any]:
    heatmap = view.heatmap
    *times, data_end = milliseconds(np.append(heatmap.times[[0, -1]], view.data_stop)).tolist()
    _, buckets, columns = heatmap.active.shape
    last_price = view.key_figures.last_price
    return {
        "request": request.model_dump(mode="json"),
        "time": times,
        "dataEnd": data_end,
        "columns": columns,
        "price": [float(heatmap.edges[0]), float(heatmap.edges[-1])],
        "buckets": buckets,
        "lastPrice": last_price,
        "digits": price_digits(last_price),
        "symbol": view.symbol,
        "liquidations": int(view.liquidations.time.size),
        "positions": int(largest_positions(view.positions, heatmap).notional.size),
    }


def _sentence(error: Exception) -> str:
    # KeyError and its kin quote their message when they are turned into text.
    return str(error.args[0]) if error.args else type(error).__name__
