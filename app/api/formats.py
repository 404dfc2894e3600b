"""Numbers and times as answers write them."""

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from engine.heatmap import Measure
from engine.kernels import Floats

_DECIMALS: dict[Measure, int] = {"notional": 2, "size": 8}


def iso(time: np.datetime64) -> str:
    """Return ``2026-01-15T12:00:00Z``."""
    return f"{np.datetime_as_string(time, 'ms').removesuffix('.000')}Z"


def iso_times(times: NDArray[np.datetime64]) -> list[str]:
    """Return `iso` of each, far quicker than one by one."""
    return [f"{text.removesuffix('.000')}Z" for text in np.datetime_as_string(times, "ms").tolist()]


def unix_milliseconds(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Return milliseconds since 1970. [ms]"""
    return times.astype("datetime64[ms]").astype(np.int64)


def aware(milliseconds: int) -> datetime:
    """Return the time of milliseconds since 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def rounded(amounts: Floats, measure: Measure = "notional") -> Floats:
    """Return amounts to the cent [quote] or to eight decimals [base]: what follows is noise."""
    return np.round(amounts, _DECIMALS[measure])


def bucket_middles(edges: Floats) -> Floats:
    """Return the middle of each price bucket, without the last digits' noise. [quote]"""
    width = (edges[-1] - edges[0]) / (edges.size - 1)
    decimals = int(max(0.0, np.ceil(1.0 - np.log10(width)))) + 1
    middles = edges[:-1] / 2.0 + edges[1:] / 2.0
    # Buckets wider than what floats tell apart have no such digits, and rounding may overflow.
    return np.round(middles, decimals) if width < 1e15 else middles
