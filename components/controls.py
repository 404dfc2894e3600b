"""Controls with which a reader chooses what to see."""

from collections.abc import Sequence
from typing import Any

import dash_bootstrap_components as dbc
from dash import html
from dash.development.base_component import Component

from components import ids
from components.accessibility import aria
from components.connections import Connection, connection_sign, was_contacted
from components.palettes import PALETTES
from components.presets import PRESETS
from components.scales import MAPPINGS
from components.theme import exchange_colour, exchange_name
from engine.models import MODELS
from engine.profiles import PROFILES

WINDOWS = {
    "12h": 12,
    "24h": 24,
    "48h": 48,
    "3d": 72,
    "7d": 168,
    "14d": 336,
    "30d": 720,
    "90d": 2160,
    "180d": 4320,
    "1y": 8760,
}
"""Lengths of the windows that have a button. [h]"""

CUSTOM = "custom"
"""Window of a range, and profile of weights, that the reader writes."""

ALL_EXCHANGES = "all"

LIVE = "live"
"""The one value of the switch by which a page follows new data."""

OWN = "own"
"""In a selector, the model's own profile or side rule; a browser's select knows no empty value."""

SIDE_RULES = {
    OWN: "Model's own",
    "candle": "Candle",
    "taker": "Taker volume",
    "symmetric": "Symmetric",
    "funding": "Funding",
}

LAYER_NAMES = {
    "active": "Active",
    "consumed": "Crossed (model)",
    "candles": "Candles",
    "positions": "Positions",
    "liquidations": "Liquidations",
    "profile": "Profile",
}

LAYER_TITLES = {
    "positions": "Observed positions of watched accounts on Hyperliquid, at their real liquidation "
    "prices: longs solid, shorts dashed",
    "profile": "What is open at the view's end, by price; the dotted lines sum up what a move from "
    "the last price to there would close",
}


def symbol_selector() -> html.Div:
    """Return the dropdown of symbols; they are filled in when they are known."""
    return _select("Symbol", ids.SYMBOL, {})


def exchange_selector() -> html.Div:
    """Return chips for the exchanges; they are filled in when the symbol is known."""
    return _chips("Exchanges", ids.EXCHANGES, exchange_options(()), "exchange-selector")


def exchange_options(
    exchanges: Sequence[str], connections: Sequence[Connection] = ()
) -> list[dict[str, Any]]:
    """Return "All" and each exchange with its colour and the state of its live connection.

    Where no connection was ever tried, none is told of. An exchange of which nothing is stored
    yet can't be chosen, but is shown if it is connected to: whoever misses it sees why.
    """
    known = {each.exchange: each for each in connections}
    told = known if any(was_contacted(each) for each in connections) else {}
    waiting = [name for name, each in told.items() if name not in exchanges and each.state != "off"]
    options: list[dict[str, Any]] = [{"label": "All", "value": ALL_EXCHANGES}]
    for exchange in sorted((*exchanges, *waiting)):
        dot = html.I(className="dot", style={"background": exchange_colour(exchange)})
        label: list[str | Component] = [dot, exchange_name(exchange)]
        if exchange in told:
            label.append(connection_sign(told[exchange]))
        options.append({"label": label, "value": exchange, "disabled": exchange in waiting})
    return options


def live_switch() -> html.Div:
    """Return the switch, which says when data last moved; hidden until it is of use."""
    sign = html.Span("live", id=ids.LIVE_SIGN, className="live-sign")
    switch = _chips("Follow new data", ids.LIVE, [{"label": sign, "value": LIVE}], "live-switch")
    return html.Div(switch, id=ids.LIVE_CONTROL, hidden=True)


def window_selector() -> html.Div:
    """Return a button for each window and one for a range of the reader's own."""
    options = [{"label": name, "value": name} for name in WINDOWS]
    options.append({"label": "Custom", "value": CUSTOM})
    return _segments("Window", ids.WINDOW, options, "window-selector")


def custom_range() -> html.Div:
    """Return the fields of a custom range; they are shown when it is chosen."""
    fields = [
        _labelled(
            label,
            field,
            dbc.Input(id=field, type="datetime-local", debounce=True, size="sm"),
            "range-field",
        )
        for label, field in (("From (UTC)", ids.START), ("To (UTC)", ids.STOP))
    ]
    return html.Div(fields, id=ids.CUSTOM_RANGE, className="custom-range", hidden=True)


def preset_selector() -> html.Div:
    """Return the choice of preset."""
    names = {preset.name: preset.label for preset in PRESETS.values()}
    return _select("Preset", ids.PRESET, names)


def model_selector() -> html.Div:
    """Return the choice of model."""
    return _select("Model", ids.MODEL, {name: name.capitalize() for name in MODELS})


def profile_selector() -> html.Div:
    """Return the choice of leverage profile; the last one opens the editor."""
    return _select("Leverage profile", ids.PROFILE, profile_names(OWN))


def profile_names(chosen: str) -> dict[str, str]:
    """Return the profiles to choose from, the reader's own among them if it is chosen."""
    names = {OWN: "Model's own"} | {name: name for name in PROFILES}
    if chosen not in names:
        names[chosen] = f"Own: {chosen}"
    return names | {CUSTOM: "Custom…"}


def select_options(names: dict[str, str]) -> list[dict[str, str]]:
    """Return options of a select from values and labels."""
    return [{"label": label, "value": value} for value, label in names.items()]


def side_rule_selector() -> html.Div:
    """Return the choice of how openings are split into longs and shorts."""
    return _select("Side rule", ids.SIDE_RULE, SIDE_RULES)


def mapping_selector() -> html.Div:
    """Return the choice of colour mapping."""
    options = [{"label": name.capitalize(), "value": name} for name in MAPPINGS]
    return _segments("Colour mapping", ids.MAPPING, options, "mapping-selector")


def palette_selector() -> html.Div:
    """Return the choice of palette."""
    return _select("Palette", ids.PALETTE, {name: name.capitalize() for name in PALETTES})


def layer_selector() -> html.Div:
    """Return a switch for each layer of the figure; its sign is the layer's colours."""
    options = [
        {
            "label": [
                html.I(className=f"sign sign-{name}"),
                html.Span(label, title=LAYER_TITLES.get(name, "")),
            ],
            "value": name,
        }
        for name, label in LAYER_NAMES.items()
    ]
    return _chips("Layers", ids.LAYERS, options, "layer-selector")


def _labelled(label: str, component: str, control: Component, kind: str) -> html.Div:
    name = html.Label(label, htmlFor=component, className="control-label")
    return html.Div([name, control], className=f"control {kind}")


def _select(label: str, component: str, names: dict[str, str]) -> html.Div:
    select = dbc.Select(id=component, options=select_options(names), size="sm")
    return _labelled(label, component, select, f"{component}-selector")


def _segments(label: str, component: str, options: list[dict[str, Any]], kind: str) -> html.Div:
    buttons = dbc.RadioItems(
        id=component,
        options=options,
        class_name="segments",
        input_class_name="btn-check",
        label_class_name="segment",
    )
    return _group(label, buttons, kind)


def _chips(label: str, component: str, options: list[dict[str, Any]], kind: str) -> html.Div:
    chips = dbc.Checklist(
        id=component,
        options=options,
        class_name="chips",
        input_class_name="btn-check",
        label_class_name="chip",
    )
    return _group(label, chips, kind)


def _group(label: str, control: Component, kind: str) -> html.Div:
    return html.Div(
        [html.Span(label, className="control-label"), control],
        role="group",
        className=f"control {kind}",
        **aria(label=label),
    )
