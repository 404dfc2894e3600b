"""Draw the picture whenever the reader's choices change."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dash import Dash, Input, Output, State, no_update, set_props
from dash.exceptions import PreventUpdate

from app.heatmaps import Heatmaps
from app.page_state import stored_state
from app.picture import Picture, draw
from app.threads import threaded
from components import ids
from components.key_figures import empty_strip

OUTPUTS = (
    (ids.HEATMAP, "figure"),
    (ids.KEY_FIGURES, "children"),
    (ids.LEGEND_VALUES, "data"),
    (ids.PROVENANCE, "children"),
    (ids.SKILL, "children"),
    (ids.SIMULATED, "hidden"),
    (ids.MESSAGE, "children"),
    (ids.SHOWN, "data"),
)
"""Where the parts of a picture go, in the order in which `picture_values` returns them."""


def register_picture(
    app: Dash, heatmaps: Heatmaps, pool: ThreadPoolExecutor, *, collecting: bool = False
) -> None:
    """Connect the state to the figure and all that is written around it."""

    @app.callback(
        *(Output(component, name) for component, name in OUTPUTS),
        Input(ids.STATE, "data"),
        State(ids.INTENSITY, "value"),
        prevent_initial_call=True,
    )
    @threaded(pool)
    def update_picture(stored: dict[str, Any] | None, intensity: list[int]) -> tuple[Any, ...]:
        if stored is None:
            raise PreventUpdate
        return picture_values(heatmaps, stored, intensity, collecting=collecting)


def picture_values(
    heatmaps: Heatmaps, stored: dict[str, Any], intensity: list[int], *, collecting: bool
) -> tuple[Any, ...]:
    """Return a value for each of `OUTPUTS`: the one path from the page's choices to its picture."""
    state, problems = stored_state(stored | {"intensity": intensity})
    drawn = draw(heatmaps, state, collecting=collecting)
    if state.zoom and isinstance(drawn, Picture) and not state.zoom.suits(drawn.last_price):
        problems.append("The zoom was ignored: its prices are far from the market's.")
        state = state.model_copy(update={"zoom": None})
        drawn = draw(heatmaps, state, collecting=collecting)
    if problems:
        set_props(ids.NOTICE, {"children": " ".join(problems)})
    if stored.get("zoom") and not state.zoom:
        set_props(ids.ZOOM, {"data": None})
    # The browser tells by it whether this is still what the reader wants.
    answered = {"turn": stored.get("turn")}
    if isinstance(drawn, Picture):
        return (*_outputs(drawn), [], drawn.shown | answered)
    return (no_update, empty_strip(), no_update, [], "", True, drawn, answered)


def _outputs(picture: Picture) -> tuple[Any, ...]:
    return (
        picture.figure,
        picture.key_figures,
        picture.legend,
        _small_print(picture.provenance),
        picture.skill,
        not picture.simulated,
    )


def _small_print(statements: list[str]) -> str:
    return " · ".join(statements)
