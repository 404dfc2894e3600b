"""Callbacks of the header that all pages share; the functions are in ``assets/header.js``."""

from dash import Dash, Input, Output, State

from app.callbacks.clientside import in_browser
from components import ids


def register_header(app: Dash) -> None:
    """Connect theme, help and notices, which every page has."""
    in_browser(app, "header.theme", Input(ids.THEME, "data"))
    in_browser(
        app,
        "header.toggleTheme",
        Output(ids.THEME, "data", allow_duplicate=True),
        Input(ids.THEME_TOGGLE, "n_clicks"),
        prevent_initial_call=True,
    )
    in_browser(
        app,
        "header.toggle",
        Output(ids.HELP_DIALOG, "is_open"),
        Input(ids.HELP, "n_clicks"),
        State(ids.HELP_DIALOG, "is_open"),
        prevent_initial_call=True,
    )
    in_browser(app, "header.notice", Input(ids.NOTICE, "children"))
    in_browser(
        app, "header.closeNotice", Input(ids.NOTICE_CLOSE, "n_clicks"), prevent_initial_call=True
    )
