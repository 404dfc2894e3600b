"""Three numbers of the default model, fitted to realised liquidations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from engine.book import build_book
from engine.kernels import Floats
from engine.market import Market
from engine.parameters import Parameters
from engine.profiles import TurningLadder
from engine.score.amount import deviance, log_likelihood
from engine.score.events import Liquidations, Periods, periods_of
from engine.score.evidence import FEWEST_EVENTS, Verdict, no_verdict, resampled

TOPS = (50.0, 75.0, 100.0, 150.0)
"""Highest leverages of the ladder. [-]"""
SLOW_SHARES = (0.01, 0.03, 0.06)
"""Slow holders' shares of turnover. [-]"""
SPEED_RATIOS = (0.005, 0.01, 0.02)
"""Speeds of slow holders over those of fast ones. [-]"""
FEWEST_PERIODS = 200
"""Fewer periods fit nothing."""

_DRAWS = 500
_BAND = (5.0, 95.0)

Progress = Callable[[int, int], None]
"""Called with the number of books that are done and of all; it may raise to stop the fit."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """One fitted number.

    Attributes
    ----------
    value : float
        Of the book that fits best. [-]
    low, high : float
        Band that holds 90 % of the fits to resampled days. [-]
    identified : bool
        Whether the band leaves out a part of the grid: if not, the data don't say.
    """

    value: float
    low: float
    high: float
    identified: bool


@dataclass(frozen=True, slots=True)
class Fit:
    """The model of the default family that fits a market's liquidations best.

    Attributes
    ----------
    parameters : Parameters
        The model.
    top, slow_of_turnover, speed_ratio : Fitted
        Its three numbers.
    deviance, base_deviance : float
        Mean exponential deviance of both sides: of the fitted model, and of the one that the fit
        started from. [-]
    periods, days : int
        How many were fitted.
    start, stop : datetime64[us]
        Span of these. [UTC]
    """

    parameters: Parameters
    top: Fitted
    slow_of_turnover: Fitted
    speed_ratio: Fitted
    deviance: float
    base_deviance: float
    periods: int
    days: int
    start: np.datetime64
    stop: np.datetime64


def fit(
    market: Market,
    liquidations: Liquidations,
    base: Parameters,
    progress: Progress | None = None,
) -> Fit | Verdict:
    """Return the fit of ladder top, slow share of turnover and speed ratio, or why there is none.

    Parameters
    ----------
    market : Market
        Bars and open interest.
    liquidations : Liquidations
        Of the same market; `Liquidations.between` leaves a part for testing.
    base : Parameters
        The default model's: two speeds on a turning ladder. All but the three numbers is kept.
    progress : callable, optional
        Called after each book; what it raises ends the fit.

    Raises
    ------
    ValueError
        If ``base`` is of another family.

    Notes
    -----
    The criterion is the exponential deviance of the scorecard's second line, both sides. Ladder
    tops above the exchange's maximum leverage are left out. Weights of single leverages are never
    fitted: out of sample they were worse than even ones in every trial.
    """
    if base.speeds != "two" or not isinstance(base.profile, TurningLadder):
        raise ValueError("a fit needs a model of two speeds on a turning ladder, such as two-speed")
    periods = periods_of(market, liquidations)
    if len(periods) < FEWEST_PERIODS:
        return no_verdict(
            "Fits this market", f"{len(periods)} periods are too few ({FEWEST_PERIODS} needed)"
        )
    if periods.events < FEWEST_EVENTS:
        return no_verdict(
            "Fits this market",
            f"{periods.events} liquidations are too few ({FEWEST_EVENTS} needed)",
        )
    grid = list(product(_tops(market, base.profile), SLOW_SHARES, SPEED_RATIOS))
    costs = np.empty((len(grid), len(periods)))
    for number, point in enumerate(grid):
        costs[number] = _cost(market, _parameters(base, base.profile, point), periods)
        if progress is not None:
            progress(number + 1, len(grid))
    best = int(costs.mean(axis=1).argmin())
    drawn = _best_of_draws(costs, periods)
    numbers = [_fitted(column, best, drawn) for column in np.array(grid).T]
    return Fit(
        parameters=_parameters(base, base.profile, grid[best]),
        top=numbers[0],
        slow_of_turnover=numbers[1],
        speed_ratio=numbers[2],
        deviance=float(costs[best].mean()),
        base_deviance=float(_cost(market, base, periods).mean()),
        periods=len(periods),
        days=np.unique(periods.start.astype("datetime64[D]")).size,
        start=periods.start[0],
        stop=periods.start[-1] + np.timedelta64(periods.length),
    )


def _tops(market: Market, ladder: TurningLadder) -> Sequence[float]:
    """Return the ladder tops that differ on an exchange."""
    most = max(tier.max_leverage for tier in market.margin[-1].tiers)
    return sorted({replace(ladder, highest=top).up_to(most).highest for top in TOPS})


def _parameters(
    base: Parameters, ladder: TurningLadder, point: tuple[float, float, float]
) -> Parameters:
    top, slow, ratio = point
    return replace(
        base,
        profile=replace(ladder, highest=top),
        slow_of_turnover=slow,
        speed_ratio=ratio,
    )


def _cost(market: Market, parameters: Parameters, periods: Periods) -> Floats:
    """Return the deviance of each period, both sides, shape (m,)."""
    crossed = periods.total(build_book(market, parameters).crossed())
    return np.asarray(deviance(log_likelihood(crossed, periods), periods).sum(axis=0))


def _best_of_draws(costs: Floats, periods: Periods) -> NDArray[np.int64]:
    """Return the best point of the grid in each resample of days, shape (draws,)."""
    weights = resampled(len(periods), periods.per_day, _DRAWS)
    return np.asarray((weights @ costs.T).argmin(axis=1))


def _fitted(values: Floats, best: int, drawn: NDArray[np.int64]) -> Fitted:
    value = float(values[best])
    low, high = np.percentile(values[drawn], _BAND, method="inverted_cdf")
    # Where the data say little, the best of all days can be outside what most draws prefer.
    low, high = min(float(low), value), max(float(high), value)
    whole = low <= values.min() and high >= values.max()
    return Fitted(value, low, high, identified=not whole)
