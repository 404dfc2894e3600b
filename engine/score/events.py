"""What really happened: liquidations, by event and summed over periods."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.kernels import Floats
from engine.margin import SIDES
from engine.market import Market, Times
from engine.score.evidence import FEWEST_EVENTS

WARM_UP = timedelta(days=10)
"""From a market's first bar until its map is scored."""
FEWEST_PERIODS = 60
"""Fewer periods allow no verdict."""

_HOUR = timedelta(hours=1)
_FOUR_HOURS = timedelta(hours=4)
_MOST_ZEROS = 0.2  # share of hours without liquidations up to which hours are compared


@dataclass(frozen=True, slots=True, eq=False)
class Liquidations:
    """Liquidations of one market as a feed reported them, in order of time.

    Attributes
    ----------
    time : ndarray of datetime64[us], shape (n,)
        When each happened; sums over a period stand at its start. [UTC]
    side : ndarray of int8, shape (n,)
        Side of the position: +1 long, -1 short.
    price : ndarray, shape (n,)
        Price that triggered it (see `trigger_price`); NaN where unknown. [quote]
    notional : ndarray, shape (n,)
        Its size. [quote]
    recorded : ndarray of datetime64[us], shape (k, 2)
        Spans over which the feed was recorded, half-open: a period outside them without
        liquidations says nothing. [UTC]
    """

    time: Times
    side: NDArray[np.int8]
    price: Floats
    notional: Floats
    recorded: Times

    @classmethod
    def of(
        cls,
        time: Times,
        side: NDArray[np.integer],
        price: Floats,
        notional: Floats,
        recorded: Times | None = None,
    ) -> Self:
        """Return events in order of time; by default recorded from the first to the last."""
        order = np.argsort(time, kind="stable")
        time = np.asarray(time, "datetime64[us]")[order]
        if recorded is None:
            ends = (time[0], time[-1] + np.timedelta64(1, "us")) if time.size else ()
            recorded = np.array(ends, "datetime64[us]")
        return cls(
            time=time,
            side=np.asarray(side, np.int8)[order],
            price=np.asarray(price, np.float64)[order],
            notional=np.asarray(notional, np.float64)[order],
            recorded=np.asarray(recorded, "datetime64[us]").reshape(-1, 2),
        )

    def __len__(self) -> int:
        """Return the number of events."""
        return self.time.size

    def where(self, chosen: NDArray[np.bool_]) -> Self:
        """Return the chosen events of the same recorded spans."""
        return type(self)(
            self.time[chosen],
            self.side[chosen],
            self.price[chosen],
            self.notional[chosen],
            self.recorded,
        )

    def between(self, start: np.datetime64, stop: np.datetime64) -> Self:
        """Return the events of a span, the feed being taken as recorded in that part only."""
        chosen = self.where((self.time >= start) & (self.time < stop))
        spans = np.clip(self.recorded, start.astype("M8[us]"), stop.astype("M8[us]"))
        return replace(chosen, recorded=spans[spans[:, 0] < spans[:, 1]])

    def covers(self, start: Times, stop: Times) -> NDArray[np.bool_]:
        """Return which spans ``start <= time < stop`` were recorded from end to end."""
        spans = self.recorded
        inside = (start[:, None] >= spans[None, :, 0]) & (stop[:, None] <= spans[None, :, 1])
        return np.asarray(inside.any(axis=1))


def trigger_price(
    bankruptcy_price: Floats, side: NDArray[np.integer], maintenance_rate: float
) -> Floats:
    """Return the price at which a liquidation began, from the bankruptcy price. [quote]

    Parameters
    ----------
    bankruptcy_price : ndarray, shape (n,)
        What Bybit (``p``) and OKX (``bkPx``) report. [quote]
    side : ndarray of int, shape (n,)
        Side of the position: +1 long, -1 short.
    maintenance_rate : float
        Of the position's leverage tier. [-]
    """
    return bankruptcy_price / (1.0 - side * maintenance_rate)


@dataclass(frozen=True, slots=True, eq=False)
class Periods:
    """Whole periods of a market with what happened in each.

    Attributes
    ----------
    length : timedelta
        Of a period.
    start : ndarray of datetime64[us], shape (m,)
        Multiples of ``length``, ascending. [UTC]
    realised : ndarray, shape (2, m)
        Notional that was liquidated; longs, shorts. [quote]
    move : ndarray, shape (2, m)
        How far the price went to each side's levels: ln(open / low), ln(high / open). [-]
    volume : ndarray, shape (m,)
        Traded. [base]
    events : int
        Liquidations in all periods.
    place : ndarray of int, shape (bars,)
        Each bar's period, -1 outside all.
    """

    length: timedelta
    start: Times
    realised: Floats
    move: Floats
    volume: Floats
    events: int
    place: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of periods."""
        return self.start.size

    @property
    def per_day(self) -> int:
        """Periods in a day, at least 1."""
        return max(timedelta(days=1) // self.length, 1)

    @property
    def too_few(self) -> str:
        """Why these periods allow no verdict; empty if they do."""
        if len(self) < FEWEST_PERIODS:
            return f"{len(self)} periods are too few ({FEWEST_PERIODS} needed)"
        if self.events < FEWEST_EVENTS:
            return f"{self.events} liquidations are too few ({FEWEST_EVENTS} needed)"
        return ""

    def total(self, per_bar: Floats) -> Floats:
        """Return the sums over the periods of what ``per_bar``, shape (2, bars), holds."""
        return np.stack([_sums(self.place, row, len(self)) for row in per_bar])


def periods_of(
    market: Market,
    liquidations: Liquidations,
    length: timedelta | None = None,
    warm_up: timedelta = WARM_UP,
) -> Periods:
    """Return the periods of which both bars and liquidations are complete.

    Parameters
    ----------
    market : Market
        Its bars.
    liquidations : Liquidations
        Of the same market.
    length : timedelta, optional
        Of a period; by default an hour where fewer than 20 % of the hours are without
        liquidations of a side, else four hours.
    warm_up : timedelta
        Left out at the start of the market, where its map knows little yet.
    """
    if length is not None:
        return _periods(market, liquidations, max(length, market.interval), warm_up)
    if market.interval <= _HOUR:
        hours = _periods(market, liquidations, _HOUR, warm_up)
        if len(hours) and (hours.realised == 0.0).mean(axis=1).max() < _MOST_ZEROS:
            return hours
    return _periods(market, liquidations, max(_FOUR_HOURS, market.interval), warm_up)


def _periods(
    market: Market, liquidations: Liquidations, length: timedelta, warm_up: timedelta
) -> Periods:
    step = np.timedelta64(length).astype("timedelta64[us]")
    number = market.open_time.astype(np.int64) // step.astype(np.int64)
    found, first, place, count = np.unique(
        number, return_index=True, return_inverse=True, return_counts=True
    )
    start = (found * step.astype(np.int64)).astype("datetime64[us]")
    whole = (count == length // market.interval) & liquidations.covers(start, start + step)
    if len(market):
        whole &= start >= market.open_time[0] + np.timedelta64(warm_up)
    # Of a period that isn't kept the place is -1, the last of `renamed`.
    renamed = np.where(whole, np.cumsum(whole) - 1, -1)
    place, start, first = renamed[place], start[whole], first[whole]
    realised, events = _realised(liquidations, start, step)
    low, high = _extremes(market, place, start.size)
    return Periods(
        length=length,
        start=start,
        realised=realised,
        move=np.log([market.open[first] / low, high / market.open[first]]),
        volume=_sums(place, market.volume, start.size),
        events=events,
        place=place,
    )


def _realised(liquidations: Liquidations, start: Times, step: np.timedelta64) -> tuple[Floats, int]:
    place = np.searchsorted(start, liquidations.time, side="right") - 1
    inside = (place >= 0) & (liquidations.time < start[place] + step) if start.size else place < -1
    place = np.where(inside, place, -1)
    sides = [place * (liquidations.side == side) - (liquidations.side != side) for side in SIDES]
    return (
        np.stack([_sums(at, liquidations.notional, start.size) for at in sides]),
        int((inside & (liquidations.notional > 0.0)).sum()),
    )


def _extremes(market: Market, place: NDArray[np.int64], count: int) -> tuple[Floats, Floats]:
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    inside = place >= 0
    np.minimum.at(low, place[inside], market.crossing_low[inside])
    np.maximum.at(high, place[inside], market.crossing_high[inside])
    return low, high


def _sums(place: NDArray[np.int64], values: Floats, count: int) -> Floats:
    inside = place >= 0
    return np.bincount(place[inside], values[inside], count).astype(np.float64)
