"""Dollars: how much is reported as liquidated for each one that a model's levels lose."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np

from engine.kernels import Floats
from engine.market import Market, Times
from engine.score.events import WARM_UP, Liquidations, periods_of
from engine.score.evidence import Verdict

FEWEST_DAYS = 30
"""Fewer days calibrate nothing."""


@dataclass(frozen=True, slots=True)
class Factor:
    """Reported over modelled notional.

    Attributes
    ----------
    value : float
        Σ reported / Σ modelled over all days. [-]
    spread : float
        Standard deviation of its logarithm from day to day, over days with both. [-]
    """

    value: float
    spread: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """What multiplies modelled amounts to compare them with what a feed reports.

    It changes no rank, and is one market's, one feed's and one model's alone: most holders stop
    out, close or add margin before they are liquidated, and feeds leave out much.

    Attributes
    ----------
    long, short, both : Factor
        By side of the position, and of both together.
    days : int
        Whole days with bars and records of liquidations.
    start, stop : datetime64[us]
        First of them, and end of the last. [UTC]
    """

    long: Factor
    short: Factor
    both: Factor
    days: int
    start: np.datetime64
    stop: np.datetime64


@dataclass(frozen=True, slots=True)
class Calibrations:
    """The calibrations of the markets that make up a map.

    Attributes
    ----------
    markets : mapping of str to Calibration or Verdict
        By exchange, which is also the feed; a verdict says why there is none.
    """

    markets: Mapping[str, Calibration | Verdict] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether all markets are calibrated, and so the map is."""
        found = self.markets.values()
        return bool(found) and all(isinstance(each, Calibration) for each in found)

    def scaled(self, parts: Mapping[str, Floats]) -> Floats | None:
        """Return the amounts of a map as the feeds would report them, None if it isn't calibrated.

        Parameters
        ----------
        parts : mapping of str to ndarray, shape (2, …)
            Modelled amounts of each exchange; longs, shorts.
        """
        factors = {
            exchange: np.array([found.long.value, found.short.value])
            for exchange in parts
            if isinstance(found := self.markets.get(exchange), Calibration)
        }
        if not parts or len(factors) < len(parts):
            return None
        scaled = [np.multiply(part.T, factors[exchange]).T for exchange, part in parts.items()]
        return np.asarray(np.sum(scaled, axis=0))


def calibrate(
    crossed: Floats, market: Market, liquidations: Liquidations, warm_up: timedelta = WARM_UP
) -> Calibration | Verdict:
    """Return a market's calibration, or why it has none.

    Parameters
    ----------
    crossed : ndarray, shape (2, bars)
        Notional that the model's levels lost to crossings in each bar; longs, shorts. [quote]
    market : Market
        Its bars.
    liquidations : Liquidations
        Of one feed.
    warm_up : timedelta
        Left out at the start of the market.
    """
    days = periods_of(market, liquidations, timedelta(days=1), warm_up)
    return calibrate_days(days.start, days.total(crossed), days.realised)


def calibrate_days(start: Times, modelled: Floats, reported: Floats) -> Calibration | Verdict:
    """Return the calibration of days that were summed, or why there is none.

    Parameters
    ----------
    start : ndarray of datetime64[us], shape (m,)
        The days, ascending. [UTC]
    modelled, reported : ndarray, shape (2, m)
        Notional that the model's levels lost to crossings, and that the feed reported; longs,
        shorts. [quote]
    """
    if start.size < FEWEST_DAYS:
        return too_few_days(start.size)
    if not (modelled.sum(axis=1) > 0.0).all():
        return Verdict("no verdict", "Not calibrated: the price crossed no level of the map.")
    if not (reported.sum(axis=1) > 0.0).all():
        return Verdict("no verdict", "Not calibrated: no liquidations of one side were reported.")
    return Calibration(
        long=_factor(reported[0], modelled[0]),
        short=_factor(reported[1], modelled[1]),
        both=_factor(reported.sum(axis=0), modelled.sum(axis=0)),
        days=start.size,
        start=start[0],
        stop=start[-1] + np.timedelta64(1, "D"),
    )


def too_few_days(days: int) -> Verdict:
    """Return why so few days calibrate nothing."""
    return Verdict(
        "no verdict",
        f"Not calibrated: {days} days of liquidations are too few ({FEWEST_DAYS} needed).",
    )


def days_of(
    open_time: Times, interval: timedelta, per_bar: Floats, warm_up: timedelta = WARM_UP
) -> tuple[Times, Floats]:
    """Return the whole days of some bars, and sums over these.

    Parameters
    ----------
    open_time : ndarray of datetime64[us], shape (n,)
        Start of each bar. [UTC]
    interval : timedelta
        Length of a bar.
    per_bar : ndarray, shape (2, n)
        What is summed.
    warm_up : timedelta
        Left out after the first bar.

    Returns
    -------
    ndarray of datetime64[us], shape (m,), and ndarray, shape (2, m)
    """
    day, first, count = np.unique(
        open_time.astype("datetime64[D]"), return_index=True, return_counts=True
    )
    sums = np.add.reduceat(per_bar, first, axis=1) if day.size else per_bar
    whole = count == timedelta(days=1) / interval
    if day.size:
        whole &= day >= open_time[0] + np.timedelta64(warm_up)
    return day[whole].astype("datetime64[us]"), sums[:, whole]


def _factor(reported: Floats, modelled: Floats) -> Factor:
    some = (reported > 0.0) & (modelled > 0.0)
    daily = np.log(reported[some] / modelled[some])
    return Factor(
        value=float(reported.sum() / modelled.sum()),
        spread=float(daily.std()) if daily.size else float("nan"),
    )
