"""A map as rows: one for each time, exchange, price bucket and side that holds anything."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.calibrations import to_json
from app.heatmaps import StoredHeatmaps
from app.request import HeatmapRequest
from engine.heatmap import Heatmap
from engine.score import Calibrations
from engine.snapshots import SIDE_NAMES
from engine.version import engine_version

Rows = dict[str, NDArray[Any]]

_CELLS_AT_ONCE = 200_000
_DUST = 1e-12  # of the open interest: levels that closing has worn away, not worth a row


def export_chunks(
    heatmaps: StoredHeatmaps, request: HeatmapRequest, step: timedelta
) -> Iterator[Rows]:
    """Yield the rows of a request's map in pieces of time, oldest first.

    Parameters
    ----------
    heatmaps : StoredHeatmaps
        Where the map comes from.
    request : HeatmapRequest
        Its price range, where not given, is widened to hold every level.
    step : timedelta
        Width of the time columns.

    Yields
    ------
    dict of ndarray
        ``timestamp`` (end of the column, datetime64[us], UTC), ``exchange``, ``price_low``,
        ``price_high`` [quote], ``side``, ``active_size``, ``consumed_size`` [base],
        ``active_notional``, ``consumed_notional`` [quote]. A row without prices holds the open
        interest whose liquidation price is not known, so that the active sizes of a side sum to
        the open interest; there is none where a model's levels do not tie to it.
    """
    request = request.model_copy(update={"history": request.start})
    if request.price_low is None:
        low, high = heatmaps.price_range(request)
        request = request.model_copy(update={"price_low": low, "price_high": high})
    pieces = max(1, _CELLS_AT_ONCE // request.buckets) * step
    assumed = request.assumed().parameters
    first, last = heatmaps.extent(request.symbol, request.exchanges, assumed)
    # Whole columns, so that pieces join without a column that both have.
    start = _floor(max(first, request.start), step)
    end = min(last, request.stop)
    if start >= end:
        heatmaps.view(request)  # says what there is instead
    while start < end:
        stop = min(start + pieces, end)
        yield _rows(
            heatmaps, request.model_copy(update={"start": start, "stop": stop, "step": step})
        )
        start = stop


def about_map(request: HeatmapRequest, calibrations: Calibrations) -> dict[str, str]:
    """Return what a file says of its map, by name: what is assumed is JSON, and calibration too.

    The file's amounts are modelled; an exchange's factors make reported ones of them.
    """
    found = {name: json.loads(to_json(each)) for name, each in calibrations.markets.items()}
    return {
        "symbol": request.symbol,
        "assumptions": json.dumps(request.in_force()),
        "calibration": json.dumps(found),
        "engine_version": engine_version(),
    }


def _floor(time: datetime, step: timedelta) -> datetime:
    epoch = datetime.fromtimestamp(0, UTC)
    return epoch + (time - epoch) // step * step


def _rows(heatmaps: StoredHeatmaps, request: HeatmapRequest) -> Rows:
    sizes = heatmaps.view(request.model_copy(update={"measure": "size"})).parts
    notionals = heatmaps.view(request.model_copy(update={"measure": "notional"})).parts
    parts = [
        part
        for exchange in sizes
        for part in (
            _cells(exchange, sizes[exchange], notionals[exchange]),
            _untracked(exchange, sizes[exchange]),
        )
    ]
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.lexsort((rows["price_low"], rows["side"], rows["exchange"], rows["timestamp"]))
    return {name: column[order] for name, column in rows.items()}


def _cells(exchange: str, size: Heatmap, notional: Heatmap) -> Rows:
    least = _DUST * np.fmax(size.open_interest, 1e-300)
    side, bucket, column = np.nonzero(size.active + size.consumed > least)
    return {
        "timestamp": size.times[column + 1],
        "exchange": np.full(side.size, exchange),
        "price_low": size.edges[bucket],
        "price_high": size.edges[bucket + 1],
        "side": np.array(SIDE_NAMES)[side],
        "active_size": size.active[side, bucket, column],
        "consumed_size": size.consumed[side, bucket, column],
        "active_notional": notional.active[side, bucket, column],
        "consumed_notional": notional.consumed[side, bucket, column],
    }


def _untracked(exchange: str, size: Heatmap) -> Rows:
    known = (size.open_interest > 0.0) & size.ties
    side, column = np.nonzero(np.broadcast_to(known, size.tracked.shape))
    unknown, nothing = np.full(side.size, np.nan), np.zeros(side.size)
    return {
        "timestamp": size.times[column + 1],
        "exchange": np.full(side.size, exchange),
        "price_low": unknown,
        "price_high": unknown,
        "side": np.array(SIDE_NAMES)[side],
        "active_size": np.maximum(size.open_interest[column] - size.tracked[side, column], 0.0),
        "consumed_size": nothing,
        "active_notional": unknown,
        "consumed_notional": nothing,
    }
