"""What an answer says about itself: assumptions, units, and the state of program and data."""

from typing import Any

from pydantic import BaseModel

from app.api.formats import iso
from app.request import HeatmapRequest
from app.views import Maps
from engine.heatmap import Heatmap
from engine.version import engine_version


class Sides(BaseModel):
    """A figure of both sides."""

    long: float
    short: float


class Meta(BaseModel):
    """What an answer was computed from, and how."""

    symbol: str
    exchanges: list[str]
    start_time: str
    end_time: str
    interval_seconds: float
    price_bin_size: float
    model: str
    leverage_weights: str
    side_rule: str
    measure: str
    units: dict[str, str]
    coverage: Sides
    crossing_price: str
    assumed_margin: list[str]
    simulated: bool
    data_end: str
    data_watermark: str
    engine_version: str


def meta(request: HeatmapRequest, maps: Maps, whole: Heatmap) -> dict[str, Any]:
    """Return what `Meta` describes."""
    assumed = request.assumed().parameters
    quantity = "quote currency" if request.measure == "notional" else "base currency"
    coverage = whole.coverage[:, -1]
    return {
        "symbol": maps.symbol,
        "exchanges": list(maps.parts),
        "start_time": iso(whole.times[0]),
        "end_time": iso(whole.times[-1]),
        "interval_seconds": (whole.times[1] - whole.times[0]).astype(int) / 1e6,
        "price_bin_size": float(
            f"{(whole.edges[-1] - whole.edges[0]) / (whole.edges.size - 1):.12g}"
        ),
        "model": request.model,
        "leverage_weights": str(assumed.profile),
        "side_rule": assumed.side_rule,
        "measure": request.measure,
        "units": {
            "price": "quote currency",
            "density": quantity,
            "consumed": quantity,
            "opened, closed, liquidated, open_interest": "base currency",
            "time": "UTC",
        },
        "coverage": {"long": float(coverage[0]), "short": float(coverage[1])},
        "crossing_price": maps.crossing_price,
        "assumed_margin": list(maps.assumed_margin),
        "simulated": maps.simulated,
        "data_end": iso(maps.data_stop),
        "data_watermark": maps.watermark,
        "engine_version": engine_version(),
    }
