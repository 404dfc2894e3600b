"""What an answer says about itself: assumptions, units, and the state of program and data."""

from typing import Any

from pydantic import BaseModel

from app.api.formats import iso
from app.moment import MomentMap
from app.request import HeatmapRequest
from app.views import Maps
from engine.heatmap import Heatmap
from engine.kernels import Floats
from engine.version import engine_version


class Sides(BaseModel):
    """A figure of both sides."""

    long: float
    short: float


class Origin(BaseModel):
    """What was assumed, and the state of data and program that an answer comes from."""

    symbol: str
    price_bin_size: float
    model: str
    leverage_weights: str
    side_rule: str
    units: dict[str, str]
    coverage: Sides
    crossing_price: str
    assumed_margin: list[str]
    simulated: bool
    data_end: str
    data_watermark: str
    engine_version: str


class Meta(Origin):
    """What an answer was computed from, and how."""

    exchanges: list[str]
    start_time: str
    end_time: str
    interval_seconds: float
    measure: str


def meta(request: HeatmapRequest, maps: Maps, whole: Heatmap) -> dict[str, Any]:
    """Return what `Meta` describes."""
    quantity = "quote currency" if request.measure == "notional" else "base currency"
    return {
        "exchanges": list(maps.parts),
        "start_time": iso(whole.times[0]),
        "end_time": iso(whole.times[-1]),
        "interval_seconds": (whole.times[1] - whole.times[0]).astype(int) / 1e6,
        "measure": request.measure,
        "units": {
            "price": "quote currency",
            "density": quantity,
            "consumed": quantity,
            "opened, closed, liquidated, open_interest": "base currency",
            "time": "UTC",
        },
        **origin(request, maps, whole.edges, whole.coverage[:, -1]),
    }


def origin(
    request: HeatmapRequest, found: Maps | MomentMap, edges: Floats, coverage: Floats
) -> dict[str, Any]:
    """Return what `Origin` describes, but for the units."""
    assumed = request.assumed().parameters
    return {
        "symbol": found.symbol,
        "price_bin_size": bin_size(edges),
        "model": request.model,
        "leverage_weights": str(assumed.profile),
        "side_rule": assumed.side_rule,
        "coverage": {"long": float(coverage[0]), "short": float(coverage[1])},
        "crossing_price": found.crossing_price,
        "assumed_margin": list(found.assumed_margin),
        "simulated": found.simulated,
        "data_end": iso(found.data_stop),
        "data_watermark": found.watermark,
        "engine_version": engine_version(),
    }


def bin_size(edges: Floats) -> float:
    """Return the width of a price bucket, without the last digits' noise. [quote]"""
    return float(f"{(edges[-1] - edges[0]) / (edges.size - 1):.12g}")
