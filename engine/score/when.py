"""When: does a map know in which periods much is liquidated? (docs/scorecard.md, line 1.)"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from engine.kernels import Floats
from engine.score.events import Periods
from engine.score.evidence import (
    NOTHING_CROSSED,
    Estimate,
    Verdict,
    interval,
    judge,
    no_verdict,
    resampled,
)

QUESTION = "Knows more than where price and volume were"


@dataclass(frozen=True, slots=True)
class Gain:
    """What a map knows of the timing of liquidations beyond another map.

    Partial rank correlations of the notional that a map's levels lost to crossings with the
    notional that was really liquidated, given the period's move and volume and the other map.

    Attributes
    ----------
    over : str
        The other map; empty where only move and volume are given.
    long, short : Estimate
        Of each side. [-]
    both : Estimate
        Their mean. [-]
    """

    over: str
    long: Estimate
    short: Estimate
    both: Estimate


@dataclass(frozen=True, slots=True)
class When:
    """Line 1 of the scorecard.

    Attributes
    ----------
    periods, events : int
        How many periods were compared, and how many liquidations happened in them.
    length : timedelta
        Of a period.
    alone : Gain
        Given move and volume alone.
    geometry, fading, volume : Gain
        Given a null as well; of the fading maps the one that leaves least.
    strongest : Gain
        Of these three, the one that leaves least.
    verdict : Verdict
        By the strongest null, both sides together.
    """

    periods: int
    events: int
    length: timedelta
    alone: Gain
    geometry: Gain
    fading: Gain
    volume: Gain
    strongest: Gain
    verdict: Verdict


def score_when(
    crossed: Floats, periods: Periods, nulls: Mapping[str, Sequence[tuple[str, Floats]]]
) -> When | Verdict:
    """Return line 1, or why there is no verdict.

    Parameters
    ----------
    crossed : ndarray, shape (2, m)
        Notional that the map's levels lost to crossings in each period; longs, shorts. [quote]
    periods : Periods
        What happened.
    nulls : mapping of kind to sequence of (str, ndarray of shape (2, m))
        Names and crossed notional of the maps of ``geometry``, ``fading`` and ``volume``.
    """
    if periods.too_few:
        return no_verdict(QUESTION, periods.too_few)
    if not crossed.any():
        return no_verdict(QUESTION, NOTHING_CROSSED)
    over = {
        kind: gain_over(crossed, periods, *_hardest(crossed, periods, maps))
        for kind, maps in nulls.items()
    }
    strongest = min(over.values(), key=lambda gain: gain.both.value)
    return When(
        periods=len(periods),
        events=periods.events,
        length=periods.length,
        alone=gain_over(crossed, periods),
        **over,
        strongest=strongest,
        verdict=judge(QUESTION, strongest.both),
    )


def gain_over(
    crossed: Floats, periods: Periods, name: str = "", other: Floats | None = None
) -> Gain:
    """Return a map's partial rank correlations, given move, volume and another map if named.

    ``crossed`` and ``other`` are notional by side and period, shape (2, m). [quote]
    """
    count, block = len(periods), periods.per_day
    whole = np.ones((1, count))
    weights = np.asarray(resampled(count, block), np.float64)
    values, drawn = [], []
    for side in range(2):
        correlation = _correlation(crossed, periods, side, other)
        values.append(float(correlation(whole)[0]))
        drawn.append(correlation(weights))
    values.append((values[0] + values[1]) / 2.0)
    drawn.append((drawn[0] + drawn[1]) / 2.0)
    return Gain(name, *(interval(*one) for one in zip(values, drawn, strict=True)))


def _hardest(
    crossed: Floats, periods: Periods, maps: Sequence[tuple[str, Floats]]
) -> tuple[str, Floats]:
    """Return the map that leaves least of the correlation."""
    whole = np.ones((1, len(periods)))

    def left(one: tuple[str, Floats]) -> float:
        return float(sum(_correlation(crossed, periods, s, one[1])(whole)[0] for s in range(2)))

    return min(maps, key=left)


def _correlation(
    crossed: Floats, periods: Periods, side: int, other: Floats | None
) -> "PartialCorrelation":
    controls = [periods.move[side], periods.volume]
    if other is not None:
        controls.append(other[side])
    return PartialCorrelation.of(crossed[side], periods.realised[side], controls)


@dataclass(frozen=True, slots=True, eq=False)
class PartialCorrelation:
    """Partial rank correlation of two columns given others, for any weights of the rows.

    Attributes
    ----------
    products : ndarray, shape (n, (p + 1) ** 2)
        Products of each row's ranks, and of a 1, with each other.

    Notes
    -----
    Ranks are those of all rows, whatever is drawn; so a resample costs one product of matrices.
    """

    products: Floats

    @classmethod
    def of(cls, first: Floats, second: Floats, controls: Sequence[Floats]) -> "PartialCorrelation":
        """Return the statistic of ``first`` and ``second`` given ``controls``, shape (n,) each."""
        from scipy.stats import rankdata

        ranks = rankdata(np.stack([first, second, *controls]), axis=1)
        # Scaled, so that what is singular is seen by its size.
        scaled = (ranks - ranks.mean(axis=1, keepdims=True)) / first.size
        rows = np.vstack([np.ones(first.size), scaled]).T
        return cls((rows[:, :, None] * rows[:, None, :]).reshape(first.size, -1))

    def __call__(self, weights: Floats) -> Floats:
        """Return the correlation under each row of weights, shape (draws, n) to (draws,)."""
        size = round(self.products.shape[1] ** 0.5)
        moments = (weights @ self.products).reshape(-1, size, size) / weights.sum(1)[:, None, None]
        mean = moments[:, 0, 1:]
        covariance = moments[:, 1:, 1:] - mean[:, :, None] * mean[:, None, :]
        pair, cross = covariance[:, :2, :2], covariance[:, :2, 2:]
        given = np.linalg.pinv(covariance[:, 2:, 2:], rcond=1e-9, hermitian=True)
        left = pair - cross @ given @ cross.transpose(0, 2, 1)
        first, second = left[:, 0, 0], left[:, 1, 1]
        # Nothing is left of a map that the controls describe entirely.
        known = (first > 1e-9 * pair[:, 0, 0]) & (second > 1e-9 * pair[:, 1, 1])
        scale = np.sqrt(np.where(known, first * second, 1.0))
        return np.where(known, left[:, 0, 1] / scale, 0.0)
