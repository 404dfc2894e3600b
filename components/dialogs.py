"""Dialogs: help, and the editor of leverage weights."""

import dash_bootstrap_components as dbc
from dash import html
from dash.development.base_component import Component

from components import ids
from components.formats import percent
from engine.profiles import Profile

SHORTCUTS = (
    ("1 – 9", "Window, 12h to 180d"),
    ("M", "Next preset"),
    ("L", "Linear or logarithmic colours"),
    ("H", "Heat on or off"),
    ("P", "Next palette"),
    ("V", "Live on or off: whether the picture follows new data, where the server collects them"),
    ("S", "Copy a link to this view"),
    ("?", "This help"),
)

GESTURES = (
    ("Drag", "Move; the map is computed anew for what you see"),
    ("Wheel, pinch", "Zoom in time and price"),
    ("Shift + drag", "Zoom into a box"),
    ("Double click", "The whole window again; the browser's Back takes back no zooms"),
    ("Click, tap", "Pin the reading; again to free it"),
    ("← ↑ → ↓", "Move the cursor, when the figure has the focus"),
)


def help_dialog() -> dbc.Modal:
    """Return the list of keys and gestures."""
    return dbc.Modal(
        [
            dbc.ModalHeader(dbc.ModalTitle("Keys and gestures")),
            dbc.ModalBody(
                [
                    html.H3("Keys"),
                    _keys(SHORTCUTS),
                    html.H3("On the figure"),
                    _keys(GESTURES),
                    html.H3("What it shows"),
                    html.P(
                        "Each column is the state at its time: the notional that would have been "
                        "force-closed had the price moved to that level. Levels are estimated from "
                        "candles, volume and open interest; they are a description with known "
                        "assumptions, never a signal."
                    ),
                ]
            ),
        ],
        id=ids.HELP_DIALOG,
        is_open=False,
        scrollable=True,
    )


def plain_help_dialog(title: str = "Help", *parts: Component) -> dbc.Modal:
    """Return the help of a page that has no keys of its own."""
    said = parts or (html.P("The links in the header lead to the pages."),)
    return dbc.Modal(
        [dbc.ModalHeader(dbc.ModalTitle(title)), dbc.ModalBody(list(said))],
        id=ids.HELP_DIALOG,
        is_open=False,
        scrollable=True,
    )


def _keys(rows: tuple[tuple[str, str], ...]) -> html.Dl:
    return html.Dl(
        [html.Div([html.Dt(html.Kbd(key)), html.Dd(what)]) for key, what in rows],
        className="keys",
    )


def profile_dialog() -> dbc.Modal:
    """Return the editor of a leverage profile."""
    return dbc.Modal(
        [
            dbc.ModalHeader(dbc.ModalTitle("Leverage profile")),
            dbc.ModalBody(
                [
                    html.Label("Leverage : weight, …", htmlFor=ids.PROFILE_TEXT),
                    dbc.Input(
                        id=ids.PROFILE_TEXT,
                        placeholder="for example 10:1, 25:2, 50:1",
                        autocomplete="off",
                    ),
                    html.P(id=ids.PROFILE_CHECK, className="profile-check", role="status"),
                    html.Div(id=ids.PROFILE_PREVIEW, className="profile-preview"),
                ]
            ),
            dbc.ModalFooter(
                [
                    dbc.Button("Cancel", id=ids.PROFILE_CANCEL, color="secondary", outline=True),
                    dbc.Button("Apply", id=ids.PROFILE_APPLY, color="primary", disabled=True),
                ]
            ),
        ],
        id=ids.PROFILE_DIALOG,
        is_open=False,
    )


def profile_preview(profile: Profile) -> list[html.Div]:
    """Return a bar for each leverage, as long as its weight."""
    widest = max(profile.weight)
    return [
        html.Div(
            [
                html.Span(f"{leverage:g}x"),
                html.Span(html.I(style={"width": percent(weight / widest)}), className="bar"),
                html.Span(percent(weight)),
            ]
        )
        for leverage, weight in zip(profile.leverage, profile.weight, strict=True)
    ]
