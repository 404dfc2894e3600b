"""The few statistics that the comparison needs.

Both are a line of algebra, so no library of statistics is asked for them (decision 0035).
"""

from typing import NamedTuple

import numpy as np

from engine.kernels import Floats

CONFIDENCE = 0.95
"""Of intervals. [-]"""

_Z = 1.959963984540054  # the normal distribution's quantile that CONFIDENCE asks for


class Interval(NamedTuple):
    """Where a share lies with `CONFIDENCE`. [-]"""

    low: float
    high: float


def wilson(share: float, count: float) -> Interval:
    r"""Return Wilson's interval of a share.

    Parameters
    ----------
    share : float
        That was found, 0 to 1. [-]
    count : float
        Of independent observations, above zero; see `effective_count` where they have weights.

    Returns
    -------
    Interval
        Within 0 to 1 also at the ends, where the usual approximation has no width.

    Notes
    -----
    .. math:: \frac{p + z^2 / 2n \pm z \sqrt{p (1 - p) / n + z^2 / 4n^2}}{1 + z^2 / n}
    """
    square = _Z * _Z / count
    middle = share + square / 2.0
    half = _Z * float(np.sqrt(share * (1.0 - share) / count + square / (4.0 * count)))
    low, high = ((middle + sign * half) / (1.0 + square) for sign in (-1.0, 1.0))
    return Interval(max(low, 0.0), min(high, 1.0))


def paired_difference(only_first: int, only_second: int, count: int) -> Interval:
    r"""Return the interval of the difference of two shares that are of the same observations.

    Parameters
    ----------
    only_first, only_second : int
        Observations that only the first, only the second hit.
    count : int
        Of all observations.

    Notes
    -----
    Wald's for matched pairs with half an observation added to each of the four cells (Agresti and
    Min): :math:`d \pm z \sqrt{b + c - (b - c)^2 / n} / n`, which holds up where few differ.
    """
    first, second, total = only_first + 0.5, only_second + 0.5, count + 2.0
    difference = (first - second) / total
    half = _Z * float(np.sqrt(first + second - (first - second) ** 2 / total)) / total
    return Interval(max(difference - half, -1.0), min(difference + half, 1.0))


def effective_count(weight: Floats) -> float:
    """Return how many equal observations tell as much as these with their weights (Kish)."""
    return float(weight.sum() ** 2 / (weight**2).sum())


def rank_correlation(first: Floats, second: Floats) -> float | None:
    """Return Spearman's correlation, None where one of them has no two different values.

    Equal values share the mean of their ranks, so it is Pearson's correlation of the ranks.
    """
    x, y = (_ranks(values) for values in (first, second))
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale > 0.0 else None


def _ranks(values: Floats) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean: Floats = (last - (counts - 1) / 2.0)[place]
    return mean
