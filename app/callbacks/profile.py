"""Edit a leverage profile."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dash import Dash, Input, Output, State

from app.callbacks.clientside import in_browser
from app.threads import threaded
from components import ids
from components.controls import profile_names, select_options
from components.dialogs import profile_preview
from engine.profiles import parse_profile


def register_profile_editor(app: Dash, pool: ThreadPoolExecutor) -> None:
    """Connect the editor: it opens by "Custom…", checks while the reader writes, and applies."""
    in_browser(
        app,
        "page.openProfile",
        Output(ids.PROFILE_DIALOG, "is_open"),
        Input(ids.PROFILE, "value"),
        Input(ids.PROFILE_CANCEL, "n_clicks"),
        Input(ids.PROFILE_APPLY, "n_clicks"),
        prevent_initial_call=True,
    )
    in_browser(
        app,
        "page.profileClosed",
        Input(ids.PROFILE_DIALOG, "is_open"),
        prevent_initial_call=True,
    )

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
        State(ids.PROFILE_TEXT, "value"),
        prevent_initial_call=True,
    )
    @threaded(pool)
    def apply_profile(_clicks: int, text: str) -> tuple[list[dict[str, str]], str]:
        chosen = str(parse_profile(text))
        return select_options(profile_names(chosen)), chosen


def checked_profile(text: str) -> tuple[str, list[Any], bool]:
    """Return a sentence on the weights, their picture, and whether they can't be used."""
    if not text.strip():
        return "Write leverages and weights, like 10:1, 25:2, 50:1.", [], True
    try:
        profile = parse_profile(text)
    except ValueError as e:
        sentence = str(e)
        return sentence[0].upper() + sentence[1:] + ".", [], True
    scaled = "Weights are scaled to sum to 100%: "
    return f"{scaled}{profile}", profile_preview(profile), False
