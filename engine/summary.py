"""The few numbers an analyst asks of a map first."""

from dataclasses import dataclass


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
