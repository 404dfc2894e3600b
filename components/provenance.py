"""The small print under the figure: what it was computed from."""

import numpy as np

from components.formats import time_text
from components.theme import exchange_name
from components.view import HeatmapView


def provenance(view: HeatmapView, asked: np.datetime64 | None = None) -> list[str]:
    """Return short statements about the view, the most important first.

    Parameters
    ----------
    view : HeatmapView
        What is shown.
    asked : datetime64, optional
        Where it was to begin; if the data begin later by more than a column, that is said. [UTC]
    """
    heatmap = view.heatmap
    statements = [
        f"{time_text(heatmap.times[0])} → {time_text(heatmap.times[-1])} UTC",
        f"{heatmap.active.shape[2]} × {heatmap.active.shape[1]} cells",
        f"levels die at the {view.crossing_price} price",
        f"candles of {exchange_name(view.candle_exchange)}",
    ]
    first, second = heatmap.times[:2]
    if asked is not None and first - asked > second - first:
        began = f"map begins {time_text(first)} with the first candles and open interest"
        statements.insert(1, began)
    statements += [
        f"{exchange_name(exchange)} from {time_text(start)} on"
        for exchange, start in view.begun.items()
    ]
    if view.assumed_margin:
        names = ", ".join(exchange_name(exchange) for exchange in view.assumed_margin)
        statements.append(f"margin rules assumed for {names}")
    if not view.ties:
        statements.append("levels do not tie to the open interest")
    statements.append(_dollars(view))
    if view.gaps:
        statements.append(f"{len(view.gaps)} gap{'s' * (len(view.gaps) > 1)} hatched")
    statements.append(f"data {view.watermark}")
    return statements


def _dollars(view: HeatmapView) -> str:
    """Return what the amounts are, and what they were calibrated with."""
    if not view.calibrations.known:
        return "amounts are modelled, not calibrated"
    feeds = ", ".join(exchange_name(exchange) for exchange in view.calibrations.markets)
    return f"amounts are modelled; calibrated ones as reported by {feeds}"
