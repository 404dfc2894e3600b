"""Dollars: how much is reported as liquidated for each one that a model's levels lose."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from engine.kernels import Floats
from engine.market import Market
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
    if len(days) < FEWEST_DAYS:
        return Verdict(
            "no verdict",
            f"Not calibrated: {len(days)} days of liquidations are too few ({FEWEST_DAYS} needed).",
        )
    modelled, reported = days.total(crossed), days.realised
    if not (modelled.sum(axis=1) > 0.0).all():
        return Verdict("no verdict", "Not calibrated: the price crossed no level of the map.")
    return Calibration(
        long=_factor(reported[0], modelled[0]),
        short=_factor(reported[1], modelled[1]),
        both=_factor(reported.sum(axis=0), modelled.sum(axis=0)),
        days=len(days),
        start=days.start[0],
        stop=days.start[-1] + np.timedelta64(1, "D"),
    )


def _factor(reported: Floats, modelled: Floats) -> Factor:
    some = (reported > 0.0) & (modelled > 0.0)
    daily = np.log(reported[some] / modelled[some])
    return Factor(
        value=float(reported.sum() / modelled.sum()),
        spread=float(daily.std()) if daily.size else float("nan"),
    )
