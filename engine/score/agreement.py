"""How far two maps of one market agree."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.kernels import Floats

DISTANCES = (0.01, 0.02, 0.05)
"""Distances from the price within which notional is compared. [-]"""
REACH = 0.10
"""Rows farther from the price are left out. [-]"""

_TOP = 0.1


@dataclass(frozen=True, slots=True)
class Within:
    """Notional within a distance of the price, means over moments. [quote]

    ``below`` and ``above`` are of the first map and of the second.
    """

    distance: float
    below: tuple[float, float]
    above: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two maps agree.

    Attributes
    ----------
    moments : int
        At which they were compared; figures are means over them.
    rank_correlation : float
        Spearman's, of rows within 10 % of the price; NaN where a map is even. [-]
    top_overlap : float
        Share of one map's fullest tenth of these rows that is in the other's too; 0.1 is chance;
        NaN where a map is even. [-]
    within : tuple of Within
        Notional within 1, 2 and 5 % of the price.
    """

    moments: int
    rank_correlation: float
    top_overlap: float
    within: tuple[Within, ...]


def compare(first: Floats, second: Floats, edges: Floats, price: Floats) -> Agreement:
    """Return how far two maps on one grid agree.

    Parameters
    ----------
    first, second : ndarray, shape (rows, m)
        Notional of both sides by price row, at m moments. [quote]
    edges : ndarray, shape (rows + 1,)
        Edges of the rows, ascending. [quote]
    price : ndarray, shape (m,)
        Price at the moments. [quote]

    Raises
    ------
    ValueError
        If the maps are not on the grid.
    """
    shape = (edges.size - 1, price.size)
    if first.shape != shape or second.shape != shape:
        raise ValueError(
            f"both maps must be of {shape[0]} rows and {shape[1]} moments, but are of "
            f"{first.shape} and {second.shape}"
        )
    distance = ((edges[:-1] + edges[1:]) / 2.0)[:, None] / price - 1.0
    near = np.abs(distance) < REACH
    each = [
        _rows_agree(first[rows, moment], second[rows, moment])
        for moment, rows in enumerate(near.T)
        if rows.sum() >= round(1.0 / _TOP)
    ]
    ranks, tops = np.array(each).reshape(-1, 2).T
    known = np.isfinite(ranks)
    return Agreement(
        moments=len(each),
        rank_correlation=float(ranks[known].mean()) if known.any() else float("nan"),
        top_overlap=float(tops[known].mean()) if known.any() else float("nan"),
        within=tuple(_within(first, second, distance, limit) for limit in DISTANCES),
    )


def _rows_agree(first: Floats, second: Floats) -> tuple[float, float]:
    """Return rank correlation and overlap of the fullest tenth of one moment's rows."""
    from scipy.stats import spearmanr

    if first.min() == first.max() or second.min() == second.max():
        return float("nan"), float("nan")
    ranks = float(spearmanr(first, second).statistic)
    count = max(int(_TOP * first.size), 1)
    top, other = (np.argsort(-rows, kind="stable")[:count] for rows in (first, second))
    return ranks, np.isin(top, other).sum() / count


def _within(first: Floats, second: Floats, distance: Floats, limit: float) -> Within:
    below = (distance < 0.0) & (distance > -limit)
    above = (distance >= 0.0) & (distance < limit)

    def mean(rows: Floats, chosen: NDArray[np.bool_]) -> float:
        return float(np.where(chosen, rows, 0.0).sum(axis=0).mean())

    return Within(
        limit,
        (mean(first, below), mean(second, below)),
        (mean(first, above), mean(second, above)),
    )
