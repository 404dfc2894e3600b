"""How much of a simulated market's true map a model finds."""

from dataclasses import dataclass

import numpy as np

from engine.kernels import Floats
from engine.score.events import Liquidations
from engine.score.evidence import Estimate, mean_by_time
from engine.score.positions import (
    CELL,
    ObservedPositions,
    locate,
    map_cells,
    matched_percentile,
    shares,
)
from engine.score.sampling import Held, Moments

HOTTEST = 90.0
"""Matched percentile from which a cell is among the hottest tenth."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """How near a map is to the truth.

    Attributes
    ----------
    moments, liquidations : int
        At which the maps were compared; true liquidations that were looked up.
    distance : float
        Wasserstein distance of the two maps, by distance from the price, mean over moments and
        sides: how far the average dollar must be moved. [-, of the price]
    rank_correlation : float
        Spearman's, of a side's cells within reach, mean over moments and sides. [-]
    hottest : Estimate
        Share of the true liquidations in the hottest tenth, matched by distance: among the 10 %
        of moments at which the map held most at this distance from the price. Chance is 0.1. [-]
    """

    moments: int
    liquidations: int
    distance: float
    rank_correlation: float
    hottest: Estimate


def recover(held: Held, truth: Held, hours: Moments, liquidations: Liquidations) -> Recovery:
    """Return how much of the truth a map finds.

    Parameters
    ----------
    held, truth : callable
        What the map, and the true map, held at moments (see `engine.score.sampling`).
    hours : Moments
        Full hours at which they are compared.
    liquidations : Liquidations
        True ones; each is looked up in the map of the full hour before it.

    Raises
    ------
    ValueError
        If no liquidation lies within reach of the maps.
    """
    found, true = map_cells(held, hours), map_cells(truth, hours)
    located = locate(_as_observed(liquidations), hours)
    matched = matched_percentile(map_cells(held, located.moments), located)
    known = np.isfinite(matched)
    if not known.any():
        raise ValueError("there must be liquidations within reach of the map, but there are none")
    times = located.moments.time[located.moment]
    return Recovery(
        moments=len(hours),
        liquidations=int(known.sum()),
        distance=_wasserstein(found, true),
        rank_correlation=_rank_correlation(found, true),
        hottest=mean_by_time(
            (matched[known] >= HOTTEST).astype(np.float64), np.ones(known.sum()), times[known]
        ),
    )


def _as_observed(liquidations: Liquidations) -> ObservedPositions:
    return ObservedPositions(
        time=liquidations.time,
        holder=np.arange(len(liquidations)),
        side=liquidations.side,
        liquidation_price=liquidations.price,
    )


def _wasserstein(found: Floats, true: Floats) -> float:
    from scipy.stats import wasserstein_distance

    middle = CELL * (np.arange(found.shape[2]) + 0.5)
    some = (found.sum(axis=2) > 0.0) & (true.sum(axis=2) > 0.0)
    each = [
        wasserstein_distance(middle, middle, one, other)
        for one, other in zip(shares(found)[some], shares(true)[some], strict=True)
    ]
    return float(np.mean(each)) if each else float("nan")


def _rank_correlation(found: Floats, true: Floats) -> float:
    from scipy.stats import rankdata

    first, second = (rankdata(rows, axis=2) for rows in (found, true))
    first, second = (ranks - ranks.mean(axis=2, keepdims=True) for ranks in (first, second))
    scale = np.sqrt((first**2).sum(axis=2) * (second**2).sum(axis=2))
    some = scale > 0.0
    each = (first * second).sum(axis=2)[some] / scale[some]
    return float(each.mean()) if each.size else float("nan")
