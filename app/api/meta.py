"""What an answer says about itself: assumptions, units, and the state of program and data."""

from dataclasses import fields
from typing import Any, get_type_hints

import numpy as np
from pydantic import BaseModel, Field, create_model

from app.api.formats import iso
from app.api.parameters import parameter_name
from app.assumptions import Assumptions, reader_name
from app.moment import MomentMap
from app.request import HeatmapRequest
from app.views import Maps
from engine.heatmap import Heatmap
from engine.kernels import Floats
from engine.parameters import Parameters
from engine.score import Calibration, Calibrations, Verdict
from engine.version import engine_version


class Sides(BaseModel):
    """A figure of both sides."""

    long: float
    short: float


class Shares(BaseModel):
    """Shares of both sides; null where a model's levels do not tie to open interest."""

    long: float | None
    short: float | None


def shares(coverage: Floats) -> dict[str, float | None]:
    """Return the mapped shares of longs and shorts, shape (2,), as `Shares` describes."""
    known = [None if np.isnan(share) else float(share) for share in coverage]
    return dict(zip(("long", "short"), known, strict=True))


def _types() -> dict[str, Any]:
    """Return the type of each thing that is assumed, by what the interface calls it."""
    types = get_type_hints(Parameters) | {"profile": str}
    return {"model": str} | {
        parameter_name(reader_name(field.name)): types[field.name] for field in fields(Parameters)
    }


InForce = create_model("InForce", __doc__="What was assumed.", **_types())


def in_force(asked: Assumptions) -> dict[str, Any]:
    """Return what `InForce` describes."""
    return {parameter_name(name): value for name, value in asked.in_force().items()}


class CalibrationMeta(BaseModel):
    """What turns a market's modelled amounts into those that its feed reports.

    Most holders stop out, close or add margin before they are liquidated, and feeds leave out much:
    modelled amounts are no dollars liquidated. The factor is the sum of what was reported over the
    sum of what the model's levels lost to crossings, over whole days that have both.
    """

    feed: str = Field(description="exchange that reported the liquidations")
    factor: Sides | None = Field(description="reported over modelled notional, null if unknown [-]")
    spread: Sides | None = Field(
        description="standard deviation of the factor's logarithm from day to day [-]"
    )
    days: int | None = Field(description="whole days with both")
    start_time: str | None
    end_time: str | None
    reason: str | None = Field(description="why the market is not calibrated")


class Origin(InForce):  # type: ignore[misc,valid-type]
    """What was assumed, and the state of data and program that an answer comes from."""

    symbol: str
    price_bin_size: float
    units: dict[str, str]
    coverage: Shares = Field(description="mapped share: levels / open interest [-]")
    calibration: dict[str, CalibrationMeta] = Field(
        description="by exchange; calibrated amounts are given where all exchanges have a factor"
    )
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
    return {
        **in_force(request),
        "symbol": found.symbol,
        "price_bin_size": bin_size(edges),
        "coverage": shares(coverage),
        "calibration": calibration_meta(found.calibrations),
        "crossing_price": found.crossing_price,
        "assumed_margin": list(found.assumed_margin),
        "simulated": found.simulated,
        "data_end": iso(found.data_stop),
        "data_watermark": found.watermark,
        "engine_version": engine_version(),
    }


def calibration_meta(calibrations: Calibrations) -> dict[str, Any]:
    """Return what `CalibrationMeta` describes, by exchange."""
    return {
        exchange: {"feed": exchange, **_calibration(found)}
        for exchange, found in calibrations.markets.items()
    }


def _calibration(found: Calibration | Verdict) -> dict[str, Any]:
    if isinstance(found, Verdict):
        unknown = ("factor", "spread", "days", "start_time", "end_time")
        return {**dict.fromkeys(unknown), "reason": found.words}
    return {
        "factor": {"long": found.long.value, "short": found.short.value},
        "spread": _known({"long": found.long.spread, "short": found.short.spread}),
        "days": found.days,
        "start_time": iso(found.start),
        "end_time": iso(found.stop),
        "reason": None,
    }


def _known(sides: dict[str, float]) -> dict[str, float] | None:
    """Return figures of both sides, None unless both are known."""
    return sides if all(np.isfinite(value) for value in sides.values()) else None


def bin_size(edges: Floats) -> float:
    """Return the width of a price bucket, without the last digits' noise. [quote]"""
    return float(f"{(edges[-1] - edges[0]) / (edges.size - 1):.12g}")
