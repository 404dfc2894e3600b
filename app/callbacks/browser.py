"""Callbacks that run in the reader's browser; the functions are in ``assets/page.js``."""

from dash import Dash, Input, Output, State

from app.callbacks.clientside import in_browser
from components import ids

_CHOICES = (
    (ids.SYMBOL, "value"),
    (ids.EXCHANGES, "value"),
    (ids.WINDOW, "value"),
    (ids.START, "value"),
    (ids.STOP, "value"),
    (ids.PRESET, "value"),
    (ids.MODEL, "value"),
    (ids.PROFILE, "value"),
    (ids.SIDE_RULE, "value"),
    (ids.MAPPING, "value"),
    (ids.PALETTE, "value"),
    (ids.LAYERS, "value"),
    (ids.THEME, "data"),
    (ids.ZOOM, "data"),
    (ids.ASSUMED, "data"),
)


def register_browser_functions(app: Dash) -> None:
    """Connect what needs no server: the state's assembly, legend, zoom, the link."""
    in_browser(
        app,
        "page.state",
        Output(ids.STATE, "data"),
        *(Input(*choice) for choice in _CHOICES),
        State(ids.PRESET_CHOICES, "data"),
        State(ids.STATE, "data"),
        prevent_initial_call=True,
    )
    in_browser(
        app,
        "page.intensity",
        Input(ids.INTENSITY, "drag_value"),
        Input(ids.INTENSITY, "value"),
        Input(ids.LEGEND_VALUES, "data"),
    )
    in_browser(app, "page.zoom", Input(ids.HEATMAP, "relayoutData"))
    in_browser(app, "page.address", Input(ids.ADDRESS, "data"))
    in_browser(app, "page.drawn", Input(ids.SHOWN, "data"), State(ids.STATE, "data"))
    in_browser(app, "page.copyLink", Input(ids.COPY_LINK, "n_clicks"), prevent_initial_call=True)
