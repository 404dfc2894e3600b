"""Open positions: does a map know where they lie? (docs/scorecard.md, line 4.)"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.kernels import Floats
from engine.margin import LONG
from engine.market import Times
from engine.score.evidence import (
    FEWEST_EVENTS,
    Estimate,
    Verdict,
    judge,
    mean_by_time,
    no_verdict,
)
from engine.score.sampling import Held, Moments, by_cell, cells_of, log_gain

QUESTION = "Knows where open positions lie, beyond how far from the price"

FEWEST_DAYS = 5
"""Fewer days of observation allow no verdict."""
BANDS = (0.0, 0.02, 0.05, 0.10, 0.20, 0.40)
"""Edges of the rows of the profile by distance from the price. [-]"""
CELL = 0.0025
"""Width of a cell, of the price. [-]"""
AWAY = np.timedelta64(24, "h")
"""A map is compared with itself at moments at least this far away."""
EARLIER = np.timedelta64(4, "h")
"""How much older the positions of the ceiling are."""

CHANCE = 50.0
"""Percentile that a map has which knows no more than distance."""
MATCHED_REACH = 0.10
"""Distance from the price within which the matched percentile is taken, as zones are. [-]"""

_REACH = BANDS[-1]
_CELLS = round(_REACH / CELL)
_NEAR_CELLS = round(MATCHED_REACH / CELL)
_HOUR = np.timedelta64(1, "h")


@dataclass(frozen=True, slots=True, eq=False)
class ObservedPositions:
    """Open positions as seen at several times, n observations.

    Attributes
    ----------
    time : ndarray of datetime64[us], shape (n,)
        When each was seen. [UTC]
    holder : ndarray of int, shape (n,)
        One number for each user and position: however often it is seen, it counts once.
    side : ndarray of int8, shape (n,)
        +1 long, -1 short.
    liquidation_price : ndarray, shape (n,)
        NaN where the position can't be liquidated. [quote]
    """

    time: Times
    holder: NDArray[np.int64]
    side: NDArray[np.int8]
    liquidation_price: Floats

    def __len__(self) -> int:
        """Return the number of observations."""
        return self.time.size

    def where(self, chosen: NDArray[np.bool_]) -> Self:
        """Return the chosen observations."""
        return type(self)(
            self.time[chosen],
            self.holder[chosen],
            self.side[chosen],
            self.liquidation_price[chosen],
        )


@dataclass(frozen=True, slots=True)
class Band:
    """One row of the profile by distance.

    Attributes
    ----------
    low, high : float
        Distance from the price. [-]
    positions, mapped : float
        Share of the observed positions, and of the map, that lie there. [-]
    matched : float
        Their mean matched percentile, each hour counting alike; NaN without positions.
    gain : float
        Their mean gain over a flat map; NaN without positions. [nats per position]
    """

    low: float
    high: float
    positions: float
    mapped: float
    matched: float
    gain: float


@dataclass(frozen=True, slots=True)
class Placed:
    """How a map places positions.

    Attributes
    ----------
    matched : Estimate
        Percentile of the map at the position among the same map at the same distance, at moments
        at least 24 h away, for positions within 10 % of the price; 50 is chance. Each hour counts
        alike, since at times when much is open there are many positions, wherever they are.
    over_flat : Estimate
        Gain over a map that is flat within reach. [nats per position]
    over_profile : Estimate
        Gain over the map's own mean by distance. [nats per position]
    """

    matched: Estimate
    over_flat: Estimate
    over_profile: Estimate


@dataclass(frozen=True, slots=True)
class OpenPositions:
    """Line 4 of the scorecard.

    Attributes
    ----------
    positions, observations, days : int
        What was compared: users' positions, each counted once; how often they were seen; days.
    outside : float
        Share of the positions beyond the reach of the comparison or on the price's other side. [-]
    map, geometry, ceiling : Placed
        The map, the map of geometry, and the same users' positions four hours earlier.
    over_geometry : Estimate
        Matched percentile of the map less that of geometry. [points]
    profile : tuple of Band
        The map by distance from the price.
    verdict : Verdict
        By the matched percentile.
    """

    positions: int
    observations: int
    days: int
    outside: float
    map: Placed
    geometry: Placed
    ceiling: Placed
    over_geometry: Estimate
    profile: tuple[Band, ...]
    verdict: Verdict


@dataclass(frozen=True, slots=True, eq=False)
class Located:
    """Observations at moments of maps, within reach.

    Attributes
    ----------
    moments : Moments
        Full hours before the observations; m of them.
    moment, side, cell : ndarray of int, shape (n,)
        Of each observation: moment, 0 for longs and 1 for shorts, cell counted from the price.
    weight : ndarray, shape (n,)
        Those of a position sum to 1, whatever part of it is within reach. [-]
    outside : float
        Share of the positions out of reach. [-]
    positions, near : int
        Within reach, and within `MATCHED_REACH` of the price, at some time.
    """

    moments: Moments
    moment: NDArray[np.int64]
    side: NDArray[np.int64]
    cell: NDArray[np.int64]
    weight: Floats
    outside: float
    positions: int
    near: int


def score_positions(
    held: Held, geometry: Held, observed: ObservedPositions, hours: Moments
) -> OpenPositions | Verdict:
    """Return line 4, or why there is no verdict.

    Parameters
    ----------
    held, geometry : callable
        What the map, and the map of geometry, held at moments (see `engine.score.sampling`).
    observed : ObservedPositions
        Of the market's symbol.
    hours : Moments
        Full hours at which there is a map, ascending, with the price of each.
    """
    located = locate(observed, hours)
    days = np.unique(located.moments.time[located.moment].astype("datetime64[D]")).size
    if days < FEWEST_DAYS:
        return no_verdict(QUESTION, f"{days} days are too few ({FEWEST_DAYS} needed)")
    if located.near < FEWEST_EVENTS:
        return no_verdict(
            QUESTION,
            f"{located.near} positions within {MATCHED_REACH:.0%} of the price are too few "
            f"({FEWEST_EVENTS} needed)",
        )
    amounts, plain = map_cells(held, located.moments), map_cells(geometry, located.moments)
    matched, expected = (matched_percentile(maps, located) for maps in (amounts, plain))
    gain = position_gain(amounts, located)
    over_geometry = _matched_mean(matched - expected, located)
    return OpenPositions(
        positions=located.positions,
        observations=located.moment.size,
        days=days,
        outside=located.outside,
        map=_placed(amounts, located, matched, gain),
        geometry=_placed(plain, located, expected, position_gain(plain, located)),
        ceiling=place(_earlier(observed, located.moments), located),
        over_geometry=over_geometry,
        profile=_profile(amounts, located, matched, gain),
        verdict=judge(QUESTION, _matched_mean(matched - CHANCE, located), over_geometry),
    )


def locate(observed: ObservedPositions, hours: Moments) -> Located:
    """Return observations at the last full hour before each, those within reach."""
    hour = np.searchsorted(hours.time, observed.time, side="right") - 1
    recent = hour >= 0
    recent[recent] = observed.time[recent] - hours.time[hour[recent]] < _HOUR
    recent &= np.isfinite(observed.liquidation_price)
    seen, hour = observed.where(recent), hour[recent]
    holder = np.unique(seen.holder, return_inverse=True)[1]
    often = np.bincount(holder)
    side, cell = _places(seen, hours.price[hour])
    inside = cell >= 0
    used, moment = np.unique(hour[inside], return_inverse=True)
    weight = 1.0 / often[holder]
    return Located(
        moments=Moments(hours.time[used], hours.price[used]),
        moment=moment,
        side=side[inside],
        cell=cell[inside],
        weight=weight[inside],
        outside=float(1.0 - weight[inside].sum() / max(weight.sum(), 1e-300)),
        positions=np.unique(holder[inside]).size,
        near=np.unique(holder[inside & (cell < _NEAR_CELLS)]).size,
    )


def _offsets() -> Floats:
    return np.asarray(CELL * np.arange(_CELLS + 1))


def _places(
    observed: ObservedPositions, price: Floats
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each position's side, 0 or 1, and its cell counted from the price, -1 out of reach."""
    distance = -observed.side * (observed.liquidation_price / price - 1.0)
    return np.where(observed.side == LONG, 0, 1), cells_of(distance, _offsets())


def map_cells(held: Held, moments: Moments) -> Floats:
    """Return what cells held at moments, shape (2, m, cells), counted from the price on."""
    return by_cell(held, moments, CELL, _CELLS)


def place(amounts: Floats, located: Located) -> Placed:
    """Return how maps, shape (2, m, cells), place positions."""
    return _placed(
        amounts, located, matched_percentile(amounts, located), position_gain(amounts, located)
    )


def _placed(amounts: Floats, located: Located, matched: Floats, gain: Floats) -> Placed:
    profile = np.broadcast_to(shares(amounts).mean(axis=1, keepdims=True), amounts.shape)
    return Placed(
        matched=_matched_mean(matched, located),
        over_flat=_mean_of(gain, located.weight, located),
        over_profile=_mean_of(gain - position_gain(profile, located), located.weight, located),
    )


def _mean_of(values: Floats, weight: Floats, located: Located) -> Estimate:
    return mean_by_time(values, weight, located.moments.time[located.moment])


def _matched_mean(values: Floats, located: Located) -> Estimate:
    """Return the mean over positions near the price, each hour counting alike."""
    near = np.isfinite(values) & (located.cell < _NEAR_CELLS)
    weight = _alike_by_hour(near, located)
    return _mean_of(np.where(near, values, 0.0), weight, located)


def _alike_by_hour(chosen: NDArray[np.bool_], located: Located) -> Floats:
    """Return weights of chosen observations that sum to 1 in each hour that has some."""
    weight = np.where(chosen, located.weight, 0.0)
    total = np.bincount(located.moment, weight, len(located.moments))[located.moment]
    return np.asarray(np.divide(weight, total, out=np.zeros_like(weight), where=total > 0.0))


def shares(amounts: Floats) -> Floats:
    """Return each cell's share of its side, shape (2, m, cells); even where a side is empty."""
    total = amounts.sum(axis=2, keepdims=True)
    even = np.full(amounts.shape, 1.0 / amounts.shape[2])
    return np.asarray(np.divide(amounts, total, out=even, where=total > 0.0))


def position_gain(amounts: Floats, located: Located) -> Floats:
    """Return the gain over a flat map at each observation, shape (n,). [nats]"""
    share = shares(amounts)[located.side, located.moment, located.cell]
    return log_gain(share * amounts.shape[2])


def matched_percentile(amounts: Floats, located: Located) -> Floats:
    """Return the percentile of maps at observations, matched by distance, shape (n,).

    Parameters
    ----------
    amounts : ndarray, shape (2, m, cells)
        What cells held at the moments.
    located : Located
        Observations.

    Returns
    -------
    ndarray
        Share of the moments at least 24 h away at which the same cell held less, ties counting
        half; NaN where there are no such moments. In percent.
    """
    from scipy.stats import rankdata

    time = located.moments.time
    first = np.searchsorted(time, time - AWAY, side="right")
    last = np.searchsorted(time, time + AWAY, side="left")
    found = np.full(located.moment.size, np.nan)
    order = np.argsort(located.moment, kind="stable")
    starts = np.searchsorted(located.moment[order], np.arange(time.size + 1))
    # Rank among all moments less those near by: a cell of many moments is sorted once.
    rank = rankdata(amounts, axis=1) - 0.5
    for moment in range(time.size):
        here = order[starts[moment] : starts[moment + 1]]
        away = time.size - (last[moment] - first[moment])
        if not here.size or not away:
            continue
        side, cell = located.side[here], located.cell[here]
        own = amounts[side, moment, cell]
        near = amounts[side, first[moment] : last[moment], cell]
        smaller = (near < own[:, None]).sum(axis=1) + (near == own[:, None]).sum(axis=1) / 2.0
        found[here] = 100.0 * (rank[side, moment, cell] - smaller) / away
    return found


def _earlier(observed: ObservedPositions, moments: Moments) -> Floats:
    """Return the maps that the same users' positions made four hours before, (2, m, cells)."""
    amounts = np.zeros((2, len(moments), _CELLS))
    hour = observed.time.astype("datetime64[h]")
    then = (moments.time - EARLIER).astype("datetime64[h]")
    place = np.searchsorted(then, hour)
    found = place < then.size
    found[found] = then[place[found]] == hour[found]
    found &= np.isfinite(observed.liquidation_price)
    seen, place = observed.where(found), place[found]
    side, cell = _places(seen, moments.price[place])
    inside = cell >= 0
    np.add.at(amounts, (side[inside], place[inside], cell[inside]), 1.0)
    return amounts


def _profile(amounts: Floats, located: Located, matched: Floats, gain: Floats) -> tuple[Band, ...]:
    share, edges = shares(amounts), _offsets()
    middle = (edges[:-1] + edges[1:]) / 2.0
    seen = np.zeros(share.shape[:2])
    np.add.at(seen, (located.side, located.moment), located.weight)
    usual = np.einsum("sm,smc->c", seen, share) / located.weight.sum()
    rows = []
    for low, high in pairwise(BANDS):
        here = (middle[located.cell] >= low) & (middle[located.cell] < high)
        weight = located.weight[here]
        rows.append(
            Band(
                low=low,
                high=high,
                positions=float(weight.sum() / located.weight.sum()),
                mapped=float(usual[(middle >= low) & (middle < high)].sum()),
                matched=_mean(matched, _alike_by_hour(here & np.isfinite(matched), located)),
                gain=_mean(gain, np.where(here, located.weight, 0.0)),
            )
        )
    return tuple(rows)


def _mean(values: Floats, weight: Floats) -> float:
    some = weight > 0.0
    if not some.any():
        return float("nan")
    return float((values[some] * weight[some]).sum() / weight[some].sum())
