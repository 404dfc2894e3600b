"""A map at one moment, cut into price buckets around the price, and its hottest ones."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from engine.book import OpenLevels
from engine.kernels import Floats

STEP = 0.001
"""Width of a bucket, of the price, as the page's key figures take it. [-]"""

Side = Literal[1, -1]


@dataclass(frozen=True, slots=True)
class Reach:
    """What is compared.

    Attributes
    ----------
    within : float
        Distance from the price. [-]
    share : float
        Of each side's buckets, how many are called hot. [-]
    """

    within: float = 0.2
    share: float = 0.1

    @property
    def buckets(self) -> int:
        """Of one side."""
        return max(round(self.within / STEP), 1)

    @property
    def most_hot(self) -> int:
        """Buckets of one side that may be hot."""
        return max(int(self.buckets * self.share + 1e-9), 1)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a price lies in the zones of a side.

    Attributes
    ----------
    bucket : int
        Counted from the lowest price on.
    notional : float
        What the map holds there on that side. [quote]
    rank : int
        1 for the hottest bucket of the side.
    hot : bool
        Whether it is of the hottest ones, and holds anything.
    """

    bucket: int
    notional: float
    rank: int
    hot: bool


@dataclass(frozen=True, slots=True, eq=False)
class Zones:
    """Notional by bucket: of longs below the price, of shorts at and above it.

    Sides are apart, since anybody who knows a position's side knows on which side of the price it
    is liquidated: the hottest buckets are those of each side.

    Attributes
    ----------
    price : float
        Last price of the map. [quote]
    notional : ndarray, shape (2 × reach.buckets,)
        From the lowest price up, in whole units, so that text holds them as they are. [quote]
    reach : Reach
        How far, and how much of it is hot.
    rank : ndarray of int, shape (2 × reach.buckets,)
        Within the side; of equal buckets the one that is nearer to the price comes first.
    hot : ndarray of bool, shape (2 × reach.buckets,)
        Which are of the hottest of their side; none that hold nothing.
    """

    price: float
    notional: Floats
    reach: Reach
    rank: NDArray[np.int64]
    hot: NDArray[np.bool_]

    @classmethod
    def of(
        cls, price: float, notional: Floats, reach: Reach, most: tuple[int, int] | None = None
    ) -> Self:
        """Return the zones of notional by bucket, of which at most so many are hot.

        ``most`` is of longs and of shorts, else as ``reach`` says.
        """
        count = reach.buckets
        if notional.shape != (2 * count,):
            raise ValueError(f"notional must be of {2 * count} buckets, but is of {notional.shape}")
        whole = np.round(notional)
        below, above = _ranks(whole[:count][::-1])[::-1], _ranks(whole[count:])
        rank = np.concatenate((below, above))
        hottest = np.repeat(most or (reach.most_hot, reach.most_hot), count)
        return cls(price, whole, reach, rank, (rank <= hottest) & (whole > 0.0))

    @property
    def edges(self) -> Floats:
        """Edges of the buckets, one more than those. [quote]"""
        return edges_of(self.price, self.reach)

    def place(self, side: Side, price: float) -> Place | None:
        """Return where a price lies, None outside the reach or beyond the other side's edge."""
        bucket = self.bucket(price)
        if bucket is None or (bucket < self.reach.buckets) != (side > 0):
            return None
        return Place(
            bucket, float(self.notional[bucket]), int(self.rank[bucket]), bool(self.hot[bucket])
        )

    def is_hot(self, price: float) -> bool:
        """Return whether a price lies in a hot bucket, whichever side's it is."""
        bucket = self.bucket(price)
        return bucket is not None and bool(self.hot[bucket])

    def bucket(self, price: float) -> int | None:
        """Return the bucket that holds a price, counted from the lowest up; None beyond all."""
        bucket = int(np.searchsorted(self.edges, price, side="right")) - 1
        return bucket if 0 <= bucket < self.hot.size else None

    def covered(self, side: Side) -> float:
        """Return the share of a side's range that its hot buckets cover. [-]"""
        count = self.reach.buckets
        return float(self.hot[:count].mean() if side > 0 else self.hot[count:].mean())

    def covered_between(self, low: float, high: float) -> float:
        """Return the share of a price range that is hot, whichever side's it is. [-]

        What lies beyond the reach is not.
        """
        if low == high:
            return float(self.is_hot(low))
        edges = np.clip(self.edges, low, high)
        return float(np.diff(edges)[self.hot].sum() / (high - low))


def edges_of(price: float, reach: Reach) -> Floats:
    """Return the edges of buckets around a price, ascending. [quote]"""
    count = reach.buckets
    return np.asarray(price * (1.0 + STEP * np.arange(-count, count + 1)), np.float64)


def zones_of(levels: Iterable[OpenLevels], price: float, reach: Reach) -> Zones:
    """Return the zones of levels that are open, of one exchange or several.

    Longs at or above the price and shorts below it, which the last bar's wick has passed, count
    nowhere.
    """
    total = sum(_held(one, one.notional, price, reach) for one in levels)
    return Zones.of(price, total + np.zeros(2 * reach.buckets), reach)


def geometry_of(levels: Mapping[str, OpenLevels], weight: Sequence[float], zones: Zones) -> Zones:
    """Return the zones of a map that knows only where the price has been.

    Its levels are the same, but each bar opened as much as any other, and nothing was closed. It
    calls as many buckets hot as the map that it is compared with.

    Parameters
    ----------
    levels : mapping of str to OpenLevels
        By exchange, of a model that opens levels in every bar.
    weight : sequence of float
        Of the profile's leverages. [-]
    zones : Zones
        The map's own. Each exchange's levels are scaled to weigh as much within them as they do
        there.
    """
    total = np.zeros(zones.hot.size)
    for one in levels.values():
        share = np.asarray(weight)[one.tier]
        known = _held(one, one.notional, zones.price, zones.reach).sum()
        plain = _held(one, share * one.price, zones.price, zones.reach)
        total += plain * (known / plain.sum() if plain.sum() > 0.0 else 0.0)
    count = zones.reach.buckets
    most = int(zones.hot[:count].sum()), int(zones.hot[count:].sum())
    return Zones.of(zones.price, total, zones.reach, most)


def _held(levels: OpenLevels, notional: Floats, price: float, reach: Reach) -> Floats:
    """Return notional by bucket: of longs below the price, of shorts above it."""
    edges, count = edges_of(price, reach), reach.buckets
    bucket = np.searchsorted(edges, levels.price, side="right") - 1
    # A bucket in the lower half is one of longs.
    kept = (bucket >= 0) & (bucket < 2 * count) & ((bucket >= count) == (levels.side == 1))
    held = np.bincount(bucket[kept], notional[kept], 2 * count)
    return np.asarray(held, np.float64)


def _ranks(notional: Floats) -> NDArray[np.int64]:
    """Return 1 for the largest and so on, in the order given among equals."""
    ranks = np.empty(notional.size, np.int64)
    ranks[np.argsort(-notional, kind="stable")] = np.arange(1, notional.size + 1)
    return ranks
