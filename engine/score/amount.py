"""How much: does a map know how much is liquidated? (docs/scorecard.md, line 2.)"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.kernels import Floats
from engine.score.events import Periods
from engine.score.evidence import (
    NOTHING_CROSSED,
    Estimate,
    Verdict,
    judge,
    mean_of_rows,
    no_verdict,
)

QUESTION = "Knows more about amounts than a map that only fades"

_FLOOR = 1e-3  # of the mean: less than this counts as this much


@dataclass(frozen=True, slots=True)
class Amount:
    """Line 2 of the scorecard. Gains are sums of both sides. [nats per period]

    Attributes
    ----------
    periods : int
        How many were compared.
    fading : str
        The best fading map.
    over_fading : Estimate
        Gain over it.
    over_models : dict of str to Estimate
        Gain over other models.
    verdict : Verdict
        By the gain over the best fading map.
    """

    periods: int
    fading: str
    over_fading: Estimate
    over_models: dict[str, Estimate]
    verdict: Verdict


def score_amount(
    crossed: Floats,
    periods: Periods,
    fading: Sequence[tuple[str, Floats]],
    models: Mapping[str, Floats],
) -> Amount | Verdict:
    """Return line 2, or why there is no verdict.

    Parameters
    ----------
    crossed : ndarray, shape (2, m)
        Notional that the map's levels lost to crossings in each period; longs, shorts. [quote]
    periods : Periods
        What happened.
    fading : sequence of (str, ndarray of shape (2, m))
        Names and crossed notional of the fading maps.
    models : mapping of str to ndarray of shape (2, m)
        Crossed notional of other models.
    """
    if periods.too_few:
        return no_verdict(QUESTION, periods.too_few)
    if not crossed.any():
        return no_verdict(QUESTION, NOTHING_CROSSED)
    likely = log_likelihood(crossed, periods)
    faded = [(name, log_likelihood(other, periods)) for name, other in fading]
    # The best counts on each side; the name is of the best on both.
    best = np.stack([max((one[s] for _, one in faded), key=np.sum) for s in range(2)])
    name = max(faded, key=lambda one: float(one[1].sum()))[0]
    over_fading = gain_of(likely, best, periods)
    return Amount(
        periods=len(periods),
        fading=name,
        over_fading=over_fading,
        over_models={
            model: gain_of(likely, log_likelihood(other, periods), periods)
            for model, other in models.items()
        },
        verdict=judge(QUESTION, over_fading),
    )


def gain_of(likely: Floats, other: Floats, periods: Periods) -> Estimate:
    """Return the mean gain per period of one log-likelihood over another, shape (2, m) each."""
    return mean_of_rows((likely - other).sum(axis=0), periods.per_day)


def log_likelihood(crossed: Floats, periods: Periods) -> Floats:
    """Return each period's log-likelihood under the law fitted to all, shape (2, m). [nats]

    Notes
    -----
    Liquidated notional follows an exponential law whose mean is b₀ + b₁·volume·move + a·crossed
    with coefficients of at least 0, found by maximum likelihood, side by side.
    """
    likely = np.empty_like(crossed)
    for side in range(2):
        columns = np.stack(
            [
                np.ones(len(periods)),
                periods.volume * np.maximum(periods.move[side], 0.0),
                crossed[side],
            ]
        )
        realised = at_least_floor(periods.realised[side])
        mean = exponential_mean(columns, realised)
        likely[side] = -realised / mean - np.log(mean)
    return likely


def deviance(likely: Floats, periods: Periods) -> Floats:
    """Return the exponential deviance of each side and period, shape (2, m). [nats, doubled]"""
    realised = np.stack([at_least_floor(row) for row in periods.realised])
    return 2.0 * (-1.0 - np.log(realised) - likely)


def at_least_floor(realised: Floats) -> Floats:
    """Return amounts of at least a thousandth of their mean: a law's logarithm needs some."""
    mean = float(realised.mean())
    return np.maximum(realised, _FLOOR * mean) if mean > 0.0 else np.ones_like(realised)


def exponential_mean(columns: Floats, realised: Floats) -> Floats:
    """Return the mean of an exponential law that fits best, linear in columns, shape (m,).

    Parameters
    ----------
    columns : ndarray, shape (p, m)
        None negative; their coefficients are at least 0.
    realised : ndarray, shape (m,)
        Amounts, above 0.
    """
    from scipy.optimize import minimize

    unit = realised.mean()
    size = columns.mean(axis=1)
    scaled = columns[size > 0.0] / size[size > 0.0, None]
    amount, floor = realised / unit, _FLOOR

    def cost(weight: Floats) -> tuple[float, Floats]:
        mean = weight @ scaled + floor
        gradient = scaled @ ((1.0 - amount / mean) / mean)
        return float((amount / mean + np.log(mean)).mean()), gradient / amount.size

    start = np.full(len(scaled), 1.0 / max(len(scaled), 1))
    bounds = [(0.0, None)] * len(scaled)
    # Not L-BFGS-B: it calls BLAS, whose threads take a hundred times as long on a busy machine.
    options = {"maxfun": 500, "ftol": 1e-12, "gtol": 1e-8}
    found = minimize(cost, start, jac=True, method="TNC", bounds=bounds, options=options)
    return np.asarray((found.x @ scaled + floor) * unit)
