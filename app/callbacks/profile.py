"""Edit a leverage profile."""

import re
from concurrent.futures import ThreadPoolExecutor
from math import isfinite
from typing import Any

from dash import Dash, Input, Output, State
from dash.exceptions import PreventUpdate

from app.callbacks.clientside import in_browser
from app.page_state import PageState, stored_state
from app.threads import threaded
from components import ids
from components.controls import CUSTOM, profile_names, select_options
from components.dialogs import profile_preview
from engine.models import find_model
from engine.profiles import parse_profile

HIGHEST_LEVERAGE = 150.0
"""Leverage above which the editor takes a weight for a slip of the hand."""


def register_profile_editor(app: Dash, pool: ThreadPoolExecutor) -> None:
    """Connect the editor: it opens by "Custom…", checks while the reader writes, applies."""
    in_browser(
        app,
        "page.openProfile",
        Output(ids.PROFILE_DIALOG, "is_open"),
        Input(ids.PROFILE, "value"),
        Input(ids.PROFILE_CANCEL, "n_clicks"),
        State(ids.PROFILE_DIALOG, "is_open"),
        prevent_initial_call=True,
    )
    in_browser(
        app,
        "page.profileClosed",
        Input(ids.PROFILE_DIALOG, "is_open"),
        prevent_initial_call=True,
    )

    @app.callback(
        Output(ids.PROFILE_TEXT, "value"),
        Input(ids.PROFILE, "value"),
        State(ids.STATE, "data"),
        prevent_initial_call=True,
    )
    @threaded(pool)
    def begin(chosen: str | None, stored: dict[str, Any] | None) -> str:
        if chosen != CUSTOM or stored is None:
            raise PreventUpdate
        state, _ = stored_state(stored)
        return profile_in_force(state)

    @app.callback(
        Output(ids.PROFILE_CHECK, "children"),
        Output(ids.PROFILE_PREVIEW, "children"),
        Output(ids.PROFILE_APPLY, "disabled"),
        Input(ids.PROFILE_TEXT, "value"),
        prevent_initial_call=True,
    )
    @threaded(pool)
    def check_profile(text: str | None) -> tuple[str, list[Any], bool]:
        return checked_profile(text or "")

    @app.callback(
        Output(ids.PROFILE, "options", allow_duplicate=True),
        Output(ids.PROFILE, "value", allow_duplicate=True),
        Input(ids.PROFILE_APPLY, "n_clicks"),
        Input(ids.PROFILE_TEXT, "n_submit"),
        State(ids.PROFILE_TEXT, "value"),
        prevent_initial_call=True,
    )
    @threaded(pool)
    def apply_profile(
        _clicks: int | None, _enters: int | None, text: str | None
    ) -> tuple[list[dict[str, str]], str]:
        _, _, unusable = checked_profile(text or "")
        if unusable or text is None:  # the editor stays open and says why
            raise PreventUpdate
        chosen = str(parse_profile(text))
        return select_options(profile_names(chosen)), chosen


def profile_in_force(state: PageState) -> str:
    """Return the weights that the picture was computed with, as the editor takes them."""
    model = find_model(state.model)
    return str(parse_profile(state.profile) if state.profile else model.parameters.profile)


def checked_profile(text: str) -> tuple[str, list[Any], bool]:
    """Return a sentence on the weights, their picture, and whether they can't be used."""
    if not text.strip():
        return "Write leverages and weights, like 10:1, 25:2, 50:1.", [], True
    if not _is_finite(text):
        return "Leverages and weights must be numbers that can be added up, like 10:1.", [], True
    try:
        profile = parse_profile(text)
    except ValueError as e:
        sentence = str(e)
        return sentence[0].upper() + sentence[1:] + ".", [], True
    if profile.leverage[-1] > HIGHEST_LEVERAGE:
        highest, found = f"{HIGHEST_LEVERAGE:g}x", f"{profile.leverage[-1]:g}x"
        return f"A leverage here is at most {highest}, but one is {found}.", [], True
    scaled = "Weights are scaled to sum to 100%: "
    return f"{scaled}{profile}", profile_preview(profile), False


def _is_finite(text: str) -> bool:
    for number in re.split("[:,]", text.replace("x", "")):
        try:
            if not isfinite(float(number)):
                return False
        except ValueError:
            continue  # no number at all, of which the parser tells
    return True
