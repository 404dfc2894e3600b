"""What an answer says about itself, beside what CoinGlass's answers have."""

from typing import Any

from app.api.coinglass.models import CoinGlassModel, mapping
from app.api.formats import iso
from app.api.meta import calibration_meta, in_force, shares
from app.heatmaps import StoredHeatmaps
from app.moment import MomentMap
from app.request import HeatmapRequest
from app.stored_book import time64
from engine.version import engine_version

NOT_THEIRS = (
    "Computed by this program from what is stored here, by the model named in meta. Amounts are "
    "modelled, not reported. It is no data of CoinGlass, whose models are not published."
)
NOT_THEIR_LIQUIDATIONS = (
    "Liquidations that are stored here, as far as the exchanges publish them. They are no data of "
    "CoinGlass."
)
NOTIONAL = "quote currency, read as USD"


def model_meta(request: HeatmapRequest, answers_for: CoinGlassModel | None) -> dict[str, Any]:
    """Return what was assumed."""
    return {
        "note": NOT_THEIRS,
        "answers_for": answers_for,
        "mapping": mapping(answers_for),
        **in_force(request),
        "engine_version": engine_version(),
    }


def moment_meta(
    request: HeatmapRequest, moment: MomentMap, answers_for: CoinGlassModel | None
) -> dict[str, Any]:
    """Return what a map at one moment was computed from, and how."""
    return model_meta(request, answers_for) | {
        "symbol": moment.symbol,
        "exchanges": list(moment.levels),
        "time": iso(moment.time),
        "opened_since": iso(time64(request.start)),
        "price_range": [float(moment.edges[0]), float(moment.edges[-1])],
        "units": {"price": "quote currency", "level": NOTIONAL},
        "coverage": shares(moment.coverage),
        "calibration": calibration_meta(moment.calibrations),
        "crossing_price": moment.crossing_price,
        "assumed_margin": list(moment.assumed_margin),
        "simulated": moment.simulated,
        "data_end": iso(moment.data_stop),
        "data_watermark": moment.watermark,
    }


def liquidations_meta(heatmaps: StoredHeatmaps, watermark: str, **told: Any) -> dict[str, Any]:
    """Return what an answer about realised liquidations was made from."""
    return told | {
        "note": NOT_THEIR_LIQUIDATIONS,
        "units": {"liquidation": NOTIONAL, "time": "UTC"},
        "simulated": heatmaps.store.is_simulated(),
        "data_watermark": watermark,
        "engine_version": engine_version(),
    }
