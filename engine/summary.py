"""The few numbers an analyst asks of a map first."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.kernels import Floats

DISTANCES = (0.01, 0.02, 0.05)
"""Distances from the price within which notional at risk is summed. [-]"""

_CLUSTER_SHARE = 0.5
_CLUSTER_WITHIN = 0.15
_FARTHEST = 1.0  # longs cannot lie farther below; shorts farther above are beyond interest


@dataclass(frozen=True, slots=True)
class Cluster:
    """A price bucket that holds much notional.

    Attributes
    ----------
    price : float
        Middle of the bucket. [quote]
    notional : float
        Open in it. [quote]
    distance : float
        From the last price, negative below it. [-]
    """

    price: float
    notional: float
    distance: float


@dataclass(frozen=True, slots=True)
class KeyFigures:
    """Key figures of all open levels at one moment.

    Attributes
    ----------
    last_price : float
        Close of the last bar. [quote]
    above, below : Cluster or None
        Nearest strong cluster over and under the last price.
    at_risk : dict of float to (float, float)
        For each distance (0.01, 0.02, 0.05): long notional liquidated by a fall, and short
        notional by a rise, of that size. [quote]
    imbalance : float
        (long − short) / (long + short) of the notional within 5 %. [-]
    long_max_pain, short_max_pain : float or None
        Price bucket with most long notional below, most short notional above the price. [quote]
    coverage : float
        Share of both sides' open interest whose liquidation price the map knows. [-]
    """

    last_price: float
    above: Cluster | None
    below: Cluster | None
    at_risk: dict[float, tuple[float, float]]
    imbalance: float
    long_max_pain: float | None
    short_max_pain: float | None
    coverage: float


def key_figures(
    price: Floats,
    notional: Floats,
    side: NDArray[np.int8],
    last_price: float,
    coverage: float,
    bucket_width: float = 0.001,
) -> KeyFigures:
    """Return the key figures of open levels.

    Parameters
    ----------
    price, notional : ndarray, shape (m,)
        Liquidation price and notional of each open level. [quote]
    side : ndarray of int8, shape (m,)
        0 for longs, 1 for shorts.
    last_price : float
        Where the market is. [quote]
    coverage : float
        Share of open interest that the levels are. [-]
    bucket_width : float
        Width of the price buckets in which clusters are sought, as a share of the last price. [-]

    Notes
    -----
    A cluster is a bucket that holds at least half of what the fullest bucket on its side of the
    price holds, within 15 % of the price; the nearest such counts. Max pain is the fullest one,
    at any distance.
    """
    below = (side == 0) & (price < last_price)
    above = (side == 1) & (price > last_price)
    distance = np.abs(price / last_price - 1.0)

    def risk(within: float) -> tuple[float, float]:
        near = distance <= within
        return float(notional[below & near].sum()), float(notional[above & near].sum())

    longs, shorts = risk(max(DISTANCES))
    held_below = _buckets(price[below], notional[below], last_price, bucket_width)
    held_above = _buckets(price[above], notional[above], last_price, bucket_width)
    return KeyFigures(
        last_price=last_price,
        above=_nearest_cluster(held_above, last_price, +bucket_width),
        below=_nearest_cluster(held_below, last_price, -bucket_width),
        at_risk={within: risk(within) for within in DISTANCES},
        imbalance=(longs - shorts) / (longs + shorts) if longs + shorts > 0.0 else 0.0,
        long_max_pain=_fullest(held_below, last_price, -bucket_width),
        short_max_pain=_fullest(held_above, last_price, +bucket_width),
        coverage=coverage,
    )


def _buckets(price: Floats, notional: Floats, last_price: float, width: float) -> Floats:
    """Return notional by distance from the last price, in steps of ``width`` of it."""
    place = (np.abs(price / last_price - 1.0) / width).astype(np.int64)
    near = place < _FARTHEST / width
    return np.bincount(place[near], weights=notional[near]).astype(np.float64)


def _nearest_cluster(held: Floats, last_price: float, step: float) -> Cluster | None:
    near = held[: int(_CLUSTER_WITHIN / abs(step))]
    if not near.size or near.max() <= 0.0:
        return None
    place = int(np.argmax(near >= _CLUSTER_SHARE * near.max()))
    distance = (place + 0.5) * step
    return Cluster(last_price * (1.0 + distance), float(near[place]), distance)


def _fullest(held: Floats, last_price: float, step: float) -> float | None:
    if not held.size or held.max() <= 0.0:
        return None
    return last_price * (1.0 + (int(np.argmax(held)) + 0.5) * step)
