"""The page that follows live data: exchanges' connections, and the picture when data changed."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dash import Dash, Input, Output, State, no_update
from dash.exceptions import PreventUpdate

from app.callbacks.clientside import in_browser
from app.callbacks.picture import OUTPUTS, picture_values
from app.exchange_states import States
from app.heatmaps import Heatmaps
from app.threads import threaded
from components import ids
from components.controls import ALL_EXCHANGES, exchange_options, select_options
from components.presets import FITTED_PRESET, PRESETS


def register_live(
    app: Dash,
    heatmaps: Heatmaps,
    pool: ThreadPoolExecutor,
    *,
    states: States | None = None,
    collecting: bool = False,
) -> None:
    """Connect what moves by itself; where the server does not collect, only its absence.

    ``assets/live.js`` says by ``PULSE`` that the data changed, and puts the answer in ``FRESH``
    into its places when the reader's hand is off the figure.
    """
    in_browser(app, "live.live", Input(ids.LIVE, "value"), Input(ids.LIVE_CONTROL, "hidden"))
    in_browser(app, "live.fresh", Input(ids.FRESH, "data"))

    @app.callback(
        Output(ids.LIVE_CONTROL, "hidden"),
        Output(ids.CLOCK, "disabled"),
        Input(ids.LOCATION, "pathname"),
    )
    def offer_live(_path: str | None) -> tuple[bool, bool]:
        return not collecting, not collecting

    @app.callback(
        Output(ids.EXCHANGES, "options"),
        Input(ids.SYMBOL, "value"),
        Input(ids.CLOCK, "n_intervals"),
    )
    @threaded(pool)
    def offer_exchanges(symbol: str | None, _intervals: int | None) -> list[dict[str, Any]]:
        stored = heatmaps.exchanges(symbol) if symbol else ()
        return exchange_options(stored, states() if states else ())

    @app.callback(
        Output(ids.PRESET, "options"),
        Input(ids.SYMBOL, "value"),
        Input(ids.EXCHANGES, "value"),
        State(ids.PRESET, "value"),
    )
    @threaded(pool)
    def offer_presets(
        symbol: str | None, exchanges: list[str] | None, chosen: str | None
    ) -> list[dict[str, str]]:
        return select_options(offered_presets(heatmaps, symbol, exchanges or [], chosen))

    @app.callback(
        Output(ids.ARRIVAL, "data"),
        Input(ids.CLOCK, "n_intervals"),
        State(ids.SYMBOL, "value"),
        State(ids.LOCATION, "search"),
        prevent_initial_call=True,
    )
    @threaded(pool)
    def begin(_intervals: int | None, symbol: str | None, search: str | None) -> dict[str, str]:
        """Arrive once more when the first market is stored."""
        if symbol or not heatmaps.symbols():
            raise PreventUpdate
        return {"search": search or ""}

    @app.callback(
        Output(ids.FRESH, "data"),
        Input(ids.PULSE, "data"),
        State(ids.STATE, "data"),
        State(ids.INTENSITY, "value"),
        prevent_initial_call=True,
    )
    @threaded(pool)
    def refresh(
        pulse: dict[str, int] | None, stored: dict[str, Any] | None, intensity: list[int]
    ) -> dict[str, Any]:
        if pulse is None or stored is None:
            raise PreventUpdate
        values = picture_values(heatmaps, stored, intensity, collecting=collecting)
        number = pulse["number"]
        return {"pulse": number, "turn": stored.get("turn"), "props": named(values, number)}


def offered_presets(
    heatmaps: Heatmaps, symbol: str | None, exchanges: Sequence[str], chosen: str | None
) -> dict[str, str]:
    """Return labels of presets by name: a fitted one only if there is a fit, or it is chosen."""
    names = {preset.name: preset.label for preset in PRESETS.values()}
    shown = [exchange for exchange in exchanges if exchange != ALL_EXCHANGES]
    if chosen != FITTED_PRESET and (not symbol or heatmaps.fitted(symbol, shown) is None):
        del names[FITTED_PRESET]
    return names


def named(values: Sequence[Any], pulse: int) -> dict[str, dict[str, Any]]:
    """Return a picture's values by component and property, without those that stay as they are."""
    props: dict[str, dict[str, Any]] = {}
    for (component, name), value in zip(OUTPUTS, values, strict=True):
        if value is not no_update:
            props[component] = {name: value}
    props[ids.SHOWN]["data"] |= {"pulse": pulse}
    return props
