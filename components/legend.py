"""The colour bar: it says what a colour means, and its handles choose what is coloured."""

from typing import TypedDict

import numpy as np
from dash import dcc, html

from components import ids
from components.accessibility import aria
from components.formats import usd
from components.palettes import PALETTES
from components.scales import ColourScale
from engine.heatmap import Heatmap


class LegendValues(TypedDict):
    """What the browser needs to redraw the legend while a handle moves."""

    labels: list[str]
    gradient: str
    swatch: str
    consumed: str
    unit: str


def legend() -> html.Div:
    """Return the colour bar with its two handles."""
    slider = dcc.RangeSlider(
        id=ids.INTENSITY,
        min=0,
        max=255,
        step=1,
        marks=None,
        updatemode="mouseup",
        allowCross=False,
        pushable=4,
        allow_direct_input=False,
        value=[0, 255],
        className="intensity",
    )
    return html.Div(
        [
            html.Div(
                [
                    html.Span("Modelled notional at risk", className="control-label"),
                    html.Span(className="legend-unit"),
                ],
                className="legend-title",
            ),
            slider,
            html.Div(
                [html.Span(className="legend-low"), html.Span(className="legend-high")],
                className="legend-labels",
            ),
        ],
        id=ids.LEGEND,
        className="legend",
        role="group",
        **aria(label="Colour scale and intensity range"),
    )


def legend_values(heatmap: Heatmap, scale: ColourScale, palette: str) -> LegendValues:
    """Return amounts, colours and unit of the legend."""
    width = float(heatmap.edges[1] - heatmap.edges[0])
    return {
        "labels": [usd(amount) for amount in np.round(scale.floor, 2)],
        "gradient": PALETTES[palette].gradient(),
        "swatch": PALETTES[palette].swatch(),
        "consumed": PALETTES[palette].consumed,
        "unit": f"USD per {width:,.4g} of price",
    }
