"""The few numbers an analyst asks of a map first."""

from dataclasses import dataclass

import numpy as np

from engine.kernels import Floats

DISTANCES = (0.01, 0.02, 0.05)
"""Distances from the price within which notional at risk is summed. [-]"""

_CLUSTER_SHARE = 0.5
_CLUSTER_WITHIN = 0.15
_STEPS = 1000  # buckets from nothing to the last price, and as many above it


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
        Share of both sides' open interest whose liquidation price the map knows; NaN where its
        levels do not tie to that. [-]
    """

    last_price: float
    above: Cluster | None
    below: Cluster | None
    at_risk: dict[float, tuple[float, float]]
    imbalance: float
    long_max_pain: float | None
    short_max_pain: float | None
    coverage: float


def risk_edges(last_price: float) -> Floats:
    """Return the bucket edges on which `key_figures` works: steps of 0.1 % of the last price.

    From 0 to twice the price, the price itself being an edge, shape (2001,). [quote]
    """
    return last_price * np.arange(2 * _STEPS + 1) / _STEPS


def key_figures(active: Floats, last_price: float, coverage: float) -> KeyFigures:
    """Return the key figures of the levels open at one moment.

    Parameters
    ----------
    active : ndarray, shape (2, 2000)
        Open notional of longs and shorts in the buckets of `risk_edges`. [quote]
    last_price : float
        Where the market is. [quote]
    coverage : float
        Share of open interest that the levels are, NaN if unknown. [-]

    Notes
    -----
    A cluster is a bucket that holds at least half of what the fullest bucket on its side of the
    price holds, within 15 % of the price; the nearest such counts. Max pain is the fullest one,
    at any distance. Levels that the last bar's own wick has passed count on neither side.
    """
    below, above = active[0, :_STEPS][::-1], active[1, _STEPS:]

    def risk(within: float) -> tuple[float, float]:
        steps = round(within * _STEPS)
        return float(below[:steps].sum()), float(above[:steps].sum())

    longs, shorts = risk(max(DISTANCES))
    long_pain, short_pain = max_pain(active, last_price)
    return KeyFigures(
        last_price=last_price,
        above=_nearest_cluster(above, last_price, +1),
        below=_nearest_cluster(below, last_price, -1),
        at_risk={within: risk(within) for within in DISTANCES},
        imbalance=(longs - shorts) / (longs + shorts) if longs + shorts > 0.0 else 0.0,
        long_max_pain=long_pain.price if long_pain else None,
        short_max_pain=short_pain.price if short_pain else None,
        coverage=coverage,
    )


def max_pain(active: Floats, last_price: float) -> tuple[Cluster | None, Cluster | None]:
    """Return the price buckets with most long notional below, most short notional above the price.

    Parameters
    ----------
    active, last_price
        As `key_figures` takes them.

    Returns
    -------
    tuple of Cluster or None
        Of longs, of shorts; None where nothing is open. The nearer one of equally full buckets.
    """
    return (
        _fullest(active[0, :_STEPS][::-1], last_price, -1),
        _fullest(active[1, _STEPS:], last_price, +1),
    )


def _distance(place: int, direction: int) -> float:
    """Return the distance of a bucket's middle from the price, negative below it. [-]"""
    return direction * (place + 0.5) / _STEPS


def _nearest_cluster(held: Floats, last_price: float, direction: int) -> Cluster | None:
    near = held[: round(_CLUSTER_WITHIN * _STEPS)]
    if near.max() <= 0.0:
        return None
    place = int(np.argmax(near >= _CLUSTER_SHARE * near.max()))
    distance = _distance(place, direction)
    return Cluster(last_price * (1.0 + distance), float(near[place]), distance)


def _fullest(held: Floats, last_price: float, direction: int) -> Cluster | None:
    if held.max() <= 0.0:
        return None
    place = int(np.argmax(held))
    distance = _distance(place, direction)
    return Cluster(last_price * (1.0 + distance), float(held[place]), distance)
