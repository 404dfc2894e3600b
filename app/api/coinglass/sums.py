"""Realised liquidations summed by interval, as many intervals as are asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from app.api.coinglass.parameters import HistoryQuery
from app.stored_book import time64
from engine.kernels import Floats
from ingest.liquidations import LiquidationSpan, liquidation_sums
from ingest.store import Store

_MONDAY = datetime(2000, 1, 3, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """What was liquidated by interval, shape (n,) each.

    Attributes
    ----------
    start : ndarray of datetime64[us]
        Of the intervals, without a gap. [UTC]
    long, short : ndarray
        By side of the position. [quote]
    """

    start: NDArray[np.datetime64]
    long: Floats
    short: Floats


def interval_sums(store: Store, spans: Sequence[LiquidationSpan], query: HistoryQuery) -> Sums:
    """Return the sums of markets over the intervals asked for that something is stored for.

    Parameters
    ----------
    store : Store
        Holds the liquidations.
    spans : sequence of LiquidationSpan
        Of the markets to sum up, at least one.
    query : HistoryQuery
        Intervals that begin from its start on and before its end are shown whole: the first ones
        if there are too many and a start is given, else the last ones.
    """
    first, stop = _intervals(spans, query)
    step = query.step
    count = max(0, (stop - first) // step)
    starts = time64(first) + np.arange(count) * np.timedelta64(step)
    long, short = np.zeros((2, count))
    for span in spans if count else ():
        sums = liquidation_sums(store, span.exchange, span.symbol, step, first, stop)
        place = (sums["start"] - starts[0]) // np.timedelta64(step)
        long[place] += sums["long"]
        short[place] += sums["short"]
    return Sums(starts, long, short)


def _intervals(spans: Sequence[LiquidationSpan], query: HistoryQuery) -> tuple[datetime, datetime]:
    """Return start of the first and end of the last interval, whole steps apart."""
    step = query.step
    first = _floor(min(span.first for span in spans), step)
    stop = _floor(max(span.last for span in spans), step) + step
    if query.start_time is not None:
        first = max(first, _ceil(query.start_time, step))
    if query.end_time is not None:
        stop = min(stop, _ceil(query.end_time, step))
    most = query.limit * step
    if query.start_time is not None:
        return first, min(stop, first + most)
    return max(first, stop - most), stop


def _floor(time: datetime, step: timedelta) -> datetime:
    return _MONDAY + (time - _MONDAY) // step * step


def _ceil(time: datetime, step: timedelta) -> datetime:
    return _MONDAY - (_MONDAY - time) // step * step
