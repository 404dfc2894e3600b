"""Read the map at the reader's cursor."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from dash import Dash, Input, Output, State
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from app.callbacks.clientside import in_browser
from app.heatmaps import Heatmaps
from app.request import HeatmapRequest
from app.threads import threaded
from components import ids
from components.reading import read_cell, reading_card


def register_reading(app: Dash, heatmaps: Heatmaps, pool: ThreadPoolExecutor) -> None:
    """Connect the cursor to the card beside it.

    The browser asks for one cell at a time and shows an answer only while its cell is still under
    the cursor; ``READING_KEY`` says which cell it was.
    """
    in_browser(app, "cursor.answered", Input(ids.READING_KEY, "data"))

    @app.callback(
        Output(ids.READING, "children"),
        Output(ids.READING_KEY, "data"),
        Input(ids.CURSOR, "data"),
        State(ids.SHOWN, "data"),
        prevent_initial_call=True,
    )
    @threaded(pool)
    def read_cursor(
        cursor: dict[str, Any] | None, shown: dict[str, Any] | None
    ) -> tuple[list[Component], str]:
        if not cursor or not shown or "request" not in shown:
            raise PreventUpdate
        view = heatmaps.view(HeatmapRequest.model_validate(shown["request"]))
        time = np.datetime64(round(float(cursor["time"]) * 1000), "us")
        return reading_card(read_cell(view, time, float(cursor["price"]))), str(cursor["key"])
