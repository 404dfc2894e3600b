"""The few numbers an analyst asks of a map first."""

from dataclasses import dataclass

import numpy as np

from engine.heatmap import blurred
from engine.kernels import Floats
from engine.margin import LONG, SHORT
from engine.zones import Zone, find_zones

DISTANCES = (0.01, 0.02, 0.05)
"""Distances from the price within which notional at risk is summed. [-]"""

BLUR = 0.002
"""Width to which maps are smoothed for a reader's eye, of the price. [-]"""

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
    above, below : Zone or None
        Nearest prominent zone of shorts over, of longs under the last price.
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
    above: Zone | None
    below: Zone | None
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


def key_figures(active: Floats, lasting: Floats, last_price: float, coverage: float) -> KeyFigures:
    """Return the key figures of the levels open at one moment.

    Parameters
    ----------
    active : ndarray, shape (2, 2000)
        Open notional of longs and shorts in the buckets of `risk_edges`. [quote]
    lasting : ndarray, shape (2, 2000)
        What of it should still be open a day later, in which zones are found. [quote]
    last_price : float
        Where the market is. [quote]
    coverage : float
        Share of open interest that the levels are, NaN if unknown. [-]

    Notes
    -----
    Zones are those of `engine.zones`, found in what lasts, smoothed to 0.2 % of the price; their
    amounts are of all that is open. Max pain is the fullest bucket, at any distance. Levels that
    the last bar's own wick has passed count on neither side.
    """
    below, above = active[0, :_STEPS][::-1], active[1, _STEPS:]

    def risk(within: float) -> tuple[float, float]:
        steps = round(within * _STEPS)
        return float(below[:steps].sum()), float(above[:steps].sum())

    longs, shorts = risk(max(DISTANCES))
    long_pain, short_pain = max_pain(active, last_price)
    return KeyFigures(
        last_price=last_price,
        above=_nearest_zone(active, lasting, last_price, SHORT),
        below=_nearest_zone(active, lasting, last_price, LONG),
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


def _nearest_zone(active: Floats, lasting: Floats, last_price: float, side: int) -> Zone | None:
    row, edges = (0 if side == LONG else 1), risk_edges(last_price)
    smooth = blurred(lasting[row][:, None], edges, BLUR * last_price)[:, 0]
    zones = find_zones(smooth, edges, last_price, side, amount=active[row])
    return zones[0] if zones else None


def _fullest(held: Floats, last_price: float, direction: int) -> Cluster | None:
    if held.max() <= 0.0:
        return None
    place = int(np.argmax(held))
    distance = _distance(place, direction)
    return Cluster(last_price * (1.0 + distance), float(held[place]), distance)
