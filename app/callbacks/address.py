"""The address fills in the controls, and the controls write the address."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dash import Dash, Input, Output
from dash.exceptions import PreventUpdate

from app.heatmaps import Heatmaps
from app.page_state import read_search, stored_state, write_search
from app.threads import threaded
from components import ids
from components.controls import ALL_EXCHANGES, LIVE, OWN, profile_names, select_options


def register_address(app: Dash, heatmaps: Heatmaps, pool: ThreadPoolExecutor) -> None:
    """Connect the address to the controls' values."""

    @app.callback(
        Output(ids.SYMBOL, "options"),
        Output(ids.SYMBOL, "value"),
        Output(ids.EXCHANGES, "value"),
        Output(ids.WINDOW, "value"),
        Output(ids.START, "value"),
        Output(ids.STOP, "value"),
        Output(ids.PRESET, "value"),
        Output(ids.MODEL, "value"),
        Output(ids.PROFILE, "options"),
        Output(ids.PROFILE, "value"),
        Output(ids.SIDE_RULE, "value"),
        Output(ids.MAPPING, "value"),
        Output(ids.PALETTE, "value"),
        Output(ids.LAYERS, "value"),
        Output(ids.INTENSITY, "value"),
        Output(ids.THEME, "data"),
        Output(ids.ZOOM, "data"),
        Output(ids.ASSUMED, "data"),
        Output(ids.LIVE, "value"),
        Output(ids.NOTICE, "children"),
        Input(ids.LOCATION, "search"),
        Input(ids.ARRIVAL, "data"),
    )
    @threaded(pool)
    def restore(search: str | None, arrival: dict[str, str] | None) -> tuple[Any, ...]:
        if search is None:
            raise PreventUpdate
        return control_values(heatmaps, arrival["search"] if arrival else search)

    @app.callback(
        Output(ids.ADDRESS, "data"),
        Input(ids.STATE, "data"),
        Input(ids.INTENSITY, "value"),
        Input(ids.LIVE, "value"),
        prevent_initial_call=True,
    )
    @threaded(pool)
    def address(stored: dict[str, Any] | None, intensity: list[int], live: list[str] | None) -> str:
        if stored is None:
            raise PreventUpdate
        state, _ = stored_state(stored | {"intensity": intensity, "live": live != []})
        return write_search(state)


def control_values(heatmaps: Heatmaps, search: str) -> tuple[Any, ...]:
    """Return the values of all controls for an address, and what in it was ignored."""
    state, problems = read_search(search)
    symbols = heatmaps.symbols()
    asked = state.symbol or (symbols[0] if symbols else None)
    # People write names of markets in any case.
    symbol = next((name for name in symbols if asked and name.lower() == asked.lower()), asked)
    if symbols and symbol not in symbols:
        problems.append(f"Nothing is stored for {symbol}; this is {symbols[0]}.")
        symbol = symbols[0]
    exchanges, unknown = _known_exchanges(state.exchanges, symbol, heatmaps)
    problems += unknown
    return (
        select_options({name: name for name in symbols}),
        symbol,
        exchanges or [ALL_EXCHANGES],
        state.window,
        _field_time(state.start),
        _field_time(state.stop),
        state.preset,
        state.model,
        select_options(profile_names(state.profile or OWN)),
        state.profile or OWN,
        state.side_rule or OWN,
        state.mapping,
        state.palette,
        list(state.layers),
        list(state.colours),
        state.theme,
        state.zoom and state.zoom.model_dump(mode="json"),
        state.changes(),
        [LIVE] if state.live else [],
        " ".join(problems),
    )


def _known_exchanges(
    asked: Sequence[str], symbol: str | None, heatmaps: Heatmaps
) -> tuple[list[str], list[str]]:
    """Return those of a link's exchanges that have the symbol, and a sentence on the others."""
    stored = heatmaps.exchanges(symbol) if symbol else []
    known = [exchange for exchange in stored if exchange in asked]
    unknown = [exchange for exchange in asked if exchange not in stored]
    if not stored or not unknown:
        return known, []
    are = "is" if len(unknown) == 1 else "are"
    shown = ", ".join(known or stored)
    return known, [f"{', '.join(unknown)} {are} not stored for {symbol}; shown: {shown}."]


def _field_time(time: Any) -> str:
    return time.strftime("%Y-%m-%dT%H:%M") if time else ""
