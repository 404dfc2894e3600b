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


def register_picture(app: Dash, heatmaps: Heatmaps, pool: ThreadPoolExecutor) -> None:
    """Connect the state to the figure and all that is written around it."""

    @app.callback(
        Output(ids.HEATMAP, "figure"),
        Output(ids.KEY_FIGURES, "children"),
        Output(ids.LEGEND_VALUES, "data"),
        Output(ids.PROVENANCE, "children"),
        Output(ids.SIMULATED, "hidden"),
        Output(ids.MESSAGE, "children"),
        Output(ids.SHOWN, "data"),
        Input(ids.STATE, "data"),
        State(ids.INTENSITY, "value"),
        prevent_initial_call=True,
    )
    @threaded(pool)
    def update_picture(stored: dict[str, Any] | None, intensity: list[int]) -> tuple[Any, ...]:
        if stored is None:
            raise PreventUpdate
        state, problems = stored_state(stored | {"intensity": intensity})
        drawn = draw(heatmaps, state)
        if state.zoom and isinstance(drawn, Picture) and not state.zoom.suits(drawn.last_price):
            problems.append("The zoom was ignored: its prices are far from the market's.")
            state = state.model_copy(update={"zoom": None})
            drawn = draw(heatmaps, state)
        if problems:
            set_props(ids.NOTICE, {"children": " ".join(problems)})
        if stored.get("zoom") and not state.zoom:
            set_props(ids.ZOOM, {"data": None})
        # The browser tells by it whether this is still what the reader wants.
        answered = {"turn": stored.get("turn")}
        if isinstance(drawn, Picture):
            return (*_outputs(drawn), [], drawn.shown | answered)
        return (no_update, empty_strip(), no_update, [], True, drawn, answered)


def _outputs(picture: Picture) -> tuple[Any, ...]:
    return (
        picture.figure,
        picture.key_figures,
        picture.legend,
        _small_print(picture.provenance),
        not picture.simulated,
    )


def _small_print(statements: list[str]) -> str:
    return " · ".join(statements)
