"""The map at one moment: what is open by price, side, leverage and exchange."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.request import HeatmapRequest
from app.stored_book import StoredBook, time64
from app.views import either_price, grid_of
from engine.book import OpenLevels
from engine.ensemble import Book
from engine.heatmap import Measure
from engine.kernels import Floats
from engine.score import Calibrations
from engine.summary import Cluster, max_pain, risk_edges

_ROUND_OFF = 1e-12  # of the largest sum: what can be left where no level is


@dataclass(frozen=True, slots=True, eq=False)
class MomentMap:
    """All levels that are open at one moment, and their sums by price bucket.

    The side axis has length 2: longs, then shorts.

    Attributes
    ----------
    symbol : str
        What is mapped.
    time : datetime64
        The moment. [UTC]
    edges : ndarray, shape (buckets + 1,)
        Edges of the price buckets, ``edges[i] <= price < edges[i + 1]``. [quote]
    leverages : tuple of float
        Of the profile, ascending. [-]
    levels : mapping of str to OpenLevels
        By exchange, those that are known at the moment; at any price.
    parts : mapping of str to ndarray, shape (2, leverages, buckets)
        The same by exchange, within the edges. [quote or base, see ``measure``]
    tracked : ndarray, shape (2,)
        Size of all levels. [base]
    open_interest : float
        Of all exchanges, one side counted, NaN where unknown. [base]
    ties : bool
        Whether levels and the rest of a side sum to it.
    last_price : float
        Last close, of ``candle_exchange``. [quote]
    candle_exchange : str
        The exchange with most open interest at the moment.
    measure : {"notional", "size"}
        Whether amounts are size times liquidation price [quote], or size [base].
    data_stop : datetime64
        End of the last stored bar. [UTC]
    crossing_price : str
        ``"mark"``, ``"last"`` or ``"mark or last"``: which price kills levels.
    assumed_margin : tuple of str
        Exchanges whose leverage tiers are not known for the symbol.
    simulated : bool
        Whether the data are of the simulated market.
    watermark : str
        Names the state of the stored data.
    calibrations : Calibrations
        What turns modelled amounts into those that the exchanges' feeds report.
    """

    symbol: str
    time: np.datetime64
    edges: Floats
    leverages: tuple[float, ...]
    levels: Mapping[str, OpenLevels]
    parts: Mapping[str, Floats]
    tracked: Floats
    open_interest: float
    ties: bool
    last_price: float
    candle_exchange: str
    measure: Measure
    data_stop: np.datetime64
    crossing_price: str
    assumed_margin: tuple[str, ...]
    simulated: bool
    watermark: str
    calibrations: Calibrations = field(default_factory=Calibrations)

    @property
    def whole(self) -> Floats:
        """All exchanges together, shape (2, leverages, buckets). [quote or base]"""
        return np.asarray(sum(self.parts.values()))

    @property
    def coverage(self) -> Floats:
        """Share of the open interest whose liquidation price is known, shape (2,). [-]

        NaN where levels do not tie to it.
        """
        if not self.ties:
            return np.full(2, np.nan)
        if self.open_interest <= 0.0:
            return np.zeros(2)
        return self.tracked / self.open_interest

    def sums(self, measure: Measure) -> Floats:
        """Return all exchanges' and leverages' sums by side and bucket, shape (2, buckets)."""
        count = len(self.leverages)
        drawn = [_drawn(levels, self.edges, count, measure) for levels in self.levels.values()]
        return np.asarray(np.sum(drawn, axis=(0, 2)))

    def cumulative(self) -> Floats:
        """Return what is liquidated on the way to each bucket's far end, shape (2, buckets).

        Longs by a fall from the last price to the bucket's lower edge, shorts by a rise to its
        upper edge; nothing on the other side of the price. [quote or base]
        """
        return self._cumulative(self.levels.values())

    def calibrated_cumulative(self) -> Floats | None:
        """Return `cumulative` as the feeds would report it, None where it isn't calibrated."""
        return self.calibrations.scaled(
            {exchange: self._cumulative([levels]) for exchange, levels in self.levels.items()}
        )

    def calibrated_buckets(self) -> Floats | None:
        """Return what feeds would report of each bucket, shape (2, buckets), None as above."""
        return self.calibrations.scaled(
            {exchange: part.sum(axis=1) for exchange, part in self.parts.items()}
        )

    def calibrated_on_the_way(self, price: float) -> float | None:
        """Return the sum of `on_the_way` as the feeds would report it, None as above."""
        side = 0 if price < self.last_price else 1
        amounts = self.on_the_way(price).sum(axis=1)
        scaled = self.calibrations.scaled(
            {
                name: np.eye(2)[side] * amount
                for name, amount in zip(self.levels, amounts, strict=True)
            }
        )
        return None if scaled is None else float(scaled[side])

    def _cumulative(self, parts: Iterable[OpenLevels]) -> Floats:
        side, price, amount = self._flat(parts)
        longs = (side == 0) & (price < self.last_price)
        shorts = (side == 1) & (price >= self.last_price)
        return np.stack(
            (
                _sums_up_to(-price[longs], amount[longs], -self.edges[:-1], "right"),
                _sums_up_to(price[shorts], amount[shorts], self.edges[1:], "left"),
            )
        )

    def on_the_way(self, price: float) -> Floats:
        """Return what is liquidated if the market goes straight to a price.

        Longs if it lies below the last price, shorts if above; a touch counts.

        Returns
        -------
        ndarray, shape (exchanges, leverages)
            In the order of ``levels`` and ``leverages``. [quote or base]
        """
        return np.stack([self._liquidated_by(levels, price) for levels in self.levels.values()])

    def max_pain(self) -> tuple[Cluster | None, Cluster | None]:
        """Return where most longs are open below the last price, most shorts above it.

        The same as the page's key figures (`engine.summary.max_pain`); always of notional. [quote]
        """
        return max_pain(np.asarray(sum(self._at_risk().values())), self.last_price)

    def calibrated_pain(self, cluster: Cluster | None, side: int) -> float | None:
        """Return what feeds would report of a side's cluster (0 long, 1 short). [quote]

        None where there is no cluster, or the map isn't calibrated.
        """
        scaled = self.calibrations.scaled(self._at_risk())
        if cluster is None or scaled is None:
            return None
        bucket = np.searchsorted(risk_edges(self.last_price), cluster.price, side="right") - 1
        return float(scaled[side, bucket])

    def _at_risk(self) -> dict[str, Floats]:
        """Return each exchange's notional in the buckets of `risk_edges`, shape (2, 2000)."""
        edges = risk_edges(self.last_price)
        held = {}
        for exchange, levels in self.levels.items():
            kept, bucket = _buckets_of(levels, edges)
            held[exchange] = np.zeros((2, edges.size - 1))
            np.add.at(held[exchange], (levels.side[kept], bucket), levels.notional[kept])
        return held

    def _liquidated_by(self, levels: OpenLevels, price: float) -> Floats:
        last = self.last_price
        if price < last:
            crossed = (levels.side == 0) & (levels.price >= price) & (levels.price < last)
        else:
            crossed = (levels.side == 1) & (levels.price >= last) & (levels.price <= price)
            crossed &= price > last
        amount = _amount(levels, self.measure)[crossed]
        sums = np.bincount(levels.tier[crossed], amount, len(self.leverages))
        return np.asarray(sums, np.float64)

    def _flat(self, parts: Iterable[OpenLevels]) -> tuple[NDArray[np.int8], Floats, Floats]:
        """Return side, price and amount of several exchanges' levels."""
        every = list(parts)
        return (
            np.concatenate([levels.side for levels in every]),
            np.concatenate([levels.price for levels in every]),
            np.concatenate([_amount(levels, self.measure) for levels in every]),
        )


def known_at(stored: Sequence[StoredBook], time: datetime) -> list[StoredBook]:
    """Return the books that have a state at a moment."""
    at = time64(time)
    return [
        each
        for each in stored
        if each.is_known(at - np.timedelta64(1, "us"), at) and len(each.book.until(at))
    ]


def moment_of(
    request: HeatmapRequest,
    stored: Sequence[StoredBook],
    time: datetime,
    since: datetime | None,
    *,
    simulated: bool,
    watermark: str,
) -> MomentMap:
    """Return the map at a moment, on the price buckets of a request.

    Parameters
    ----------
    request : HeatmapRequest
        Chooses the price buckets, as it does for the page.
    stored : sequence of StoredBook
        Those known in the request's range, at least one of them at the moment.
    time : datetime
        The moment, aware.
    since : datetime or None
        Leave out levels that were born by then; None for none.
    simulated, watermark
        See `MomentMap`.
    """
    at = time64(time)
    known = known_at(stored, time)
    books = {each.book.exchange: each.book.until(at) for each in known}
    levels = {exchange: _levels(book, since) for exchange, book in books.items()}
    leading = max(
        books.values(), key=lambda book: np.nan_to_num(book.open_interest[-1] * book.close[-1])
    )
    leverages = leading.parameters.profile.leverage
    edges = grid_of(request, stored).edges
    return MomentMap(
        symbol=request.symbol,
        time=at,
        edges=edges,
        leverages=leverages,
        levels=levels,
        parts={
            exchange: _drawn(each, edges, len(leverages), request.measure)
            for exchange, each in levels.items()
        },
        tracked=np.sum([book.held[-1] for book in books.values()], axis=0),
        open_interest=float(sum(book.open_interest[-1] for book in books.values())),
        ties=all(book.parameters.ties for book in books.values()),
        last_price=float(leading.close[-1]),
        candle_exchange=leading.exchange,
        measure=request.measure,
        data_stop=max(each.book.stop for each in stored),
        crossing_price=either_price(each.crossing_price for each in known),
        assumed_margin=tuple(each.book.exchange for each in known if each.assumed_margin),
        simulated=simulated,
        watermark=watermark,
    )


def _levels(book: Book, since: datetime | None) -> OpenLevels:
    levels = book.open_levels()
    if since is None:
        return levels
    kept = book.open_time[levels.birth] + np.timedelta64(book.interval) > time64(since)
    return levels.where(kept)


def _drawn(levels: OpenLevels, edges: Floats, leverages: int, measure: Measure) -> Floats:
    """Return the levels' sums, shape (2, leverages, buckets)."""
    low, high = levels.stretch
    stretched = low < high
    return _points(levels.where(~stretched), edges, leverages, measure) + _stretches(
        levels.where(stretched), edges, leverages, measure
    )


def _points(levels: OpenLevels, edges: Floats, leverages: int, measure: Measure) -> Floats:
    shape = (2, leverages, edges.size - 1)
    kept, bucket = _buckets_of(levels, edges)
    cell = np.ravel_multi_index((levels.side[kept], levels.tier[kept], bucket), shape)
    sums = np.bincount(cell, _amount(levels, measure)[kept], 2 * leverages * (edges.size - 1))
    return np.asarray(sums, np.float64).reshape(shape)


def _stretches(levels: OpenLevels, edges: Floats, leverages: int, measure: Measure) -> Floats:
    """Return the sums of levels that are spread over prices.

    What lies below a price grows within each stretch: the size with the price, the notional with
    half its square. From one end on it is the size's slope times what has grown since that end,
    less the same from the other end on.
    """

    def grown(price: Floats) -> Floats:
        return price**2 / 2.0 if measure == "notional" else price

    shape = (2, leverages, edges.size + 1)
    row = np.ravel_multi_index((levels.side, levels.tier), shape[:2])
    slope = levels.size / (levels.stretch[1] - levels.stretch[0])
    slopes, starts = np.zeros((2, *shape))
    for sign, end in zip((1.0, -1.0), levels.stretch, strict=True):
        cell = row * shape[2] + np.searchsorted(edges, end)
        slopes += sign * np.bincount(cell, slope, slopes.size).reshape(shape)
        starts += sign * np.bincount(cell, slope * grown(end), slopes.size).reshape(shape)
    slopes, starts = slopes.cumsum(axis=-1), starts.cumsum(axis=-1)
    # Nothing grows beyond the levels, however far the edges reach.
    ends = levels.stretch.min(initial=edges[-1]), levels.stretch.max(initial=edges[0])
    below = slopes[..., :-1] * grown(np.clip(edges, *ends)) - starts[..., :-1]
    sums = np.diff(below)
    sums[sums < _ROUND_OFF * sums.max(initial=0.0)] = 0.0
    return np.asarray(sums)


def _buckets_of(levels: OpenLevels, edges: Floats) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return which levels lie within the edges, and the buckets of those."""
    bucket = np.searchsorted(edges, levels.price, side="right") - 1
    kept = (bucket >= 0) & (bucket < edges.size - 1)
    return kept, bucket[kept]


def _amount(levels: OpenLevels, measure: Measure) -> Floats:
    return levels.notional if measure == "notional" else levels.size


def _sums_up_to(
    price: Floats, amount: Floats, limits: Floats, side: Literal["left", "right"]
) -> Floats:
    """Return for each limit the amount at prices below it; at it, too, if ``side`` is right."""
    order = np.argsort(price, kind="stable")
    sums = np.concatenate(([0.0], np.cumsum(amount[order])))
    return sums[np.searchsorted(price[order], limits, side=side)]
