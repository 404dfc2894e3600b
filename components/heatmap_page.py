"""The heatmap page: controls, key figures, figure, colours."""

from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from components import ids
from components.accessibility import aria
from components.controls import (
    custom_range,
    exchange_selector,
    layer_selector,
    live_switch,
    mapping_selector,
    model_selector,
    palette_selector,
    preset_selector,
    profile_selector,
    side_rule_selector,
    symbol_selector,
    window_selector,
)
from components.dialogs import help_dialog, profile_dialog
from components.figure import empty_figure
from components.header import icon_button, notice_bar, page_header
from components.key_figures import empty_strip
from components.legend import legend
from components.presets import preset_choices, preset_note

STATES_EVERY = 10_000
"""Time between two looks at the exchanges' connections. [ms]"""

GRAPH_CONFIG: Any = {
    "displaylogo": False,
    "displayModeBar": False,
    "scrollZoom": True,
    "doubleClick": False,
    "responsive": True,
    "showTips": False,
}


def heatmap_page(links: html.Nav) -> html.Div:
    """Return the page without values: the address fills them in.

    ``links`` lead to all pages.
    """
    return html.Div(
        [
            *_memory(),
            _header(links),
            _question_bar(),
            notice_bar(),
            html.Dl(empty_strip(), id=ids.KEY_FIGURES, className="key-figures"),
            html.Main(_figure(), className="main"),
            _look_bar(),
            html.Footer(id=ids.PROVENANCE, className="provenance"),
            help_dialog(),
            profile_dialog(),
        ],
        className="page",
    )


def _memory() -> list[Component]:
    stores = (
        ids.ARRIVAL,
        ids.ADDRESS,
        ids.STATE,
        ids.ZOOM,
        ids.ASSUMED,
        ids.LEGEND_VALUES,
        ids.SHOWN,
        ids.CURSOR,
        ids.READING_KEY,
        ids.PULSE,
        ids.FRESH,
    )
    return [
        dcc.Location(id=ids.LOCATION, refresh=False),
        dcc.Interval(id=ids.CLOCK, interval=STATES_EVERY, disabled=True),
        dcc.Store(id=ids.PRESET_CHOICES, data=preset_choices()),
        *(dcc.Store(id=name) for name in stores),
    ]


def _header(links: html.Nav) -> html.Header:
    return page_header(
        links,
        symbol_selector(),
        exchange_selector(),
        actions=[
            html.Span(
                "Simulated",
                id=ids.SIMULATED,
                className="simulated",
                title="These data were made up by a simulation. No real market is shown.",
                hidden=True,
            ),
            icon_button(ids.COPY_LINK, "link", "Copy link", "S"),
        ],
    )


def _question_bar() -> html.Div:
    return html.Div(
        [
            window_selector(),
            custom_range(),
            live_switch(),
            html.Div([preset_selector(), preset_note()], className="preset-controls"),
            html.Div(
                [model_selector(), profile_selector(), side_rule_selector()],
                id=ids.CUSTOM_MODEL,
                className="model-controls",
                hidden=True,
            ),
        ],
        className="question-bar",
    )


def _figure() -> html.Div:
    """Return the frame of the figure; messages and the reading lie over the graph."""
    return html.Div(
        [
            dcc.Graph(
                id=ids.HEATMAP, figure=empty_figure(), config=GRAPH_CONFIG, className="graph"
            ),
            html.Div(id=ids.MESSAGE, className="message", role="alert"),
            html.Div(className="crosshair crosshair-time"),
            html.Div(className="crosshair crosshair-price"),
            html.Div(
                [html.Div(className="reading-head"), html.Div(id=ids.READING)],
                id=ids.READING_CARD,
                className="reading",
                hidden=True,
                **aria(live="polite"),
            ),
            html.Div(className="progress-line"),
            html.Div("Computing…", className="progress-note", role="status"),
        ],
        id=ids.FRAME,
        className="frame is-waiting",
        tabIndex="0",
        role="application",
        **aria(label="Liquidation heatmap. Arrow keys move the cursor."),
    )


def _look_bar() -> html.Div:
    return html.Div(
        [legend(), mapping_selector(), palette_selector(), layer_selector()],
        className="look-bar",
        role="region",
        **aria(label="Colours and layers"),
    )
