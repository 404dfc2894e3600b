"""What is stored of a market over a period: its bars, and what really happened.

Scores, fits and calibrations all begin here.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from app.errors import NoData
from app.history import mapped_from
from app.markets import load_market, part
from engine.kernels import Floats
from engine.market import Market, Times
from engine.models import DEFAULT_MODEL, MODELS
from engine.parameters import Parameters
from engine.score import Liquidations, ObservedPositions, trigger_price
from engine.score.events import WARM_UP
from ingest.columns import Arrays
from ingest.coverage import MarketCoverage
from ingest.positions import observed_positions
from ingest.store import Store, naive

_DEFAULT = MODELS[DEFAULT_MODEL].parameters
OBSERVED_ON = "hyperliquid"
"""Exchange that shows everybody's positions."""

_DAY = np.timedelta64(1, "D")
_HOUR = np.timedelta64(1, "h")


@dataclass(frozen=True, slots=True, eq=False)
class StoredPeriod:
    """What is stored of a market over a period: its bars, and what really happened.

    Attributes
    ----------
    market : Market
        Bars from before the period on, up to its end.
    liquidations : Liquidations
        Of the market, within the period; none where none are stored.
    positions : ObservedPositions
        Of the symbol, as seen hour by hour within the period.
    warm_up : timedelta
        From the first bar until the map is scored: at least ten days, and up to the period's start.
    start, stop : datetime
        The period. [UTC]
    """

    market: Market
    liquidations: Liquidations
    positions: ObservedPositions
    warm_up: timedelta
    start: datetime
    stop: datetime

    @property
    def recorded(self) -> float:
        """Share of the period in which liquidations were recorded. [-]"""
        spans = self.liquidations.recorded
        length = np.timedelta64(self.stop - self.start)
        return float(np.diff(spans, axis=1).sum() / length) if spans.size else 0.0


def load_period(
    store: Store,
    market: MarketCoverage,
    start: datetime,
    stop: datetime,
    warmup_days: int,
    assumed: Parameters = _DEFAULT,
) -> StoredPeriod:
    """Return what is stored of a market over a period.

    Parameters
    ----------
    store : Store
        The database.
    market : MarketCoverage
        One that the model can map.
    start, stop : datetime
        Half-open, aware. Nothing later is read, so that it can have no influence.
    warmup_days : int
        Days of bars that are read before ``start``, as far as stored.
    assumed : Parameters
        The model's, the default one's if left out: some need no open interest.

    Raises
    ------
    NoData
        If there are no bars in the period that the model can map.
    """
    exchange, symbol = market.exchange, market.symbol
    first = max(mapped_from(market, assumed), start - timedelta(days=warmup_days))
    bars = store.bars(exchange, symbol, first, stop)
    if not len(bars) or aware(bars.open_time[-1]) < start:
        raise NoData(
            f"Nothing is stored for {symbol} on {exchange} from {start:%Y-%m-%d} to "
            f"{stop:%Y-%m-%d}; the data reach from {market.first:%Y-%m-%d} to "
            f"{market.last:%Y-%m-%d}."
        )
    loaded = _ended_by(load_market(store, bars, assumed), stop)
    if not len(loaded):
        raise NoData(f"No bar of {symbol} on {exchange} can be mapped before {stop:%Y-%m-%d}.")
    begun = aware(loaded.open_time[0])
    return StoredPeriod(
        market=loaded,
        liquidations=load_liquidations(store, loaded, start, stop),
        positions=load_positions(store, symbol, start, stop),
        warm_up=max(WARM_UP, start - begun),
        start=start,
        stop=stop,
    )


def _ended_by(market: Market, stop: datetime) -> Market:
    """Return a market without a bar that goes on after the stop: it holds what came later."""
    ends = market.open_time + np.timedelta64(market.interval)
    return part(market, slice(0, int(np.searchsorted(ends, np.datetime64(naive(stop)), "right"))))


def load_liquidations(
    store: Store, market: Market, start: datetime, stop: datetime
) -> Liquidations:
    """Return a market's stored liquidations of a period, at the prices that triggered them.

    What was recorded, `recorded_spans` says. The simulated market's record is complete.
    """
    rows = store.liquidations(market.exchange, market.symbol, start, stop)
    first, last = (np.datetime64(naive(time), "us") for time in (start, stop))
    whole = np.array([[first, last]])
    spans = whole if store.is_simulated() else recorded_spans(rows["time"])
    return Liquidations.of(
        rows["time"], rows["side"], _triggers(rows, market), rows["notional"], spans
    )


def _triggers(rows: Arrays, market: Market) -> Floats:
    """Return prices that triggered liquidations; the reported one where nothing better is known."""
    found, price = rows["trigger_price"], rows["price"]
    rate = market.margin[-1].tiers[0].maintenance_rate
    bankrupt = rows["price_kind"].astype(str) == "bankruptcy"
    known = np.where(bankrupt, trigger_price(price, rows["side"], rate), price)
    return np.asarray(np.where(np.isfinite(found), found, known), np.float64)


def recorded_spans(time: Times) -> Times:
    """Return spans in which a feed of liquidations was recorded.

    For longer than a day without any, the feed was not recorded, so that a night off does not
    count as a quiet one.

    Parameters
    ----------
    time : ndarray of datetime64, shape (n,)
        Of the liquidations, ascending, or of the days that have any. [UTC]

    Returns
    -------
    ndarray of datetime64[us], shape (k, 2)
        From the first time of those that follow each other to just after their last one.
    """
    if not time.size:
        return np.empty((0, 2), "datetime64[us]")
    time = time.astype("datetime64[us]")
    breaks = np.flatnonzero(np.diff(time) > _DAY)
    firsts = time[np.append(0, breaks + 1)]
    lasts = time[np.append(breaks, time.size - 1)] + np.timedelta64(1, "us")
    return np.stack([firsts, lasts], axis=1)


def recorded_days(day: Times) -> NDArray[np.bool_]:
    """Return which days with liquidations were recorded from end to end, shape (n,).

    Those within a span of `recorded_spans`: the feed may have begun in the midst of its first day
    and ended in the midst of its last.
    """
    first, stop = recorded_spans(day).T
    span = np.searchsorted(first, day, side="right") - 1
    return np.asarray((first[span] < day) & (day + _DAY < stop[span]))


def load_positions(store: Store, symbol: str, start: datetime, stop: datetime) -> ObservedPositions:
    """Return observed positions of a symbol, one observation for each hour that saw one.

    A user's position is one holder for as long as it has its side.
    """
    rows = observed_positions(store, OBSERVED_ON, symbol, start, stop)
    first, last = (np.datetime64(naive(time), "us") for time in (start, stop))
    since = np.maximum(rows["first_seen"], first)
    until = np.minimum(rows["last_seen"], last - np.timedelta64(1, "us"))
    hour = since.astype("datetime64[h]")
    count = ((until.astype("datetime64[h]") - hour) // _HOUR).astype(np.int64) + 1
    row = np.repeat(np.arange(since.size), count)
    nth = np.arange(row.size) - np.repeat(np.cumsum(count) - count, count)
    time = np.maximum(since[row], hour[row] + nth * _HOUR).astype("datetime64[us]")
    holder = np.array([f"{u} {s}" for u, s in zip(rows["user"], rows["side"], strict=True)], str)
    order = np.argsort(time, kind="stable")
    return ObservedPositions(
        time=time[order],
        holder=np.unique(holder, return_inverse=True)[1].astype(np.int64)[row][order],
        side=rows["side"].astype(np.int8)[row][order],
        liquidation_price=rows["liquidation_price"][row][order],
    )


def aware(time: np.datetime64) -> datetime:
    """Return a time of NumPy as one that names its zone, UTC."""
    moment: datetime = time.astype("datetime64[us]").item()
    return moment.replace(tzinfo=UTC)
