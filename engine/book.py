"""The level book: the engine's result, of which every picture is a view."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from engine.frontier_kernel import NO_CLOSINGS, Closings, run_nearest
from engine.kernels import (
    Bars,
    Floats,
    Holders,
    Indices,
    Ints,
    Ledger,
    Tiers,
    empty_ledger,
    find_deaths,
    run_flow,
    sum_crossed,
)
from engine.market import Market, Times
from engine.parameters import Parameters
from engine.rules import (
    Before,
    after,
    bars_of,
    beginning,
    check_market,
    check_needs,
    holders_of,
    tiers_of,
)


@dataclass(frozen=True, slots=True, eq=False)
class LevelBook:
    """Every level that a market's bars gave birth to, and what became of it.

    A level is born in a bar, on a side, at a leverage; its price, size and birth follow from
    these three, so only the bar of its death is stored.

    Attributes
    ----------
    exchange, symbol, interval
        The market.
    open_time : ndarray of datetime64[us], shape (n,)
        Start of each bar. [UTC]
    close : ndarray, shape (n,)
        Last price at the end of each bar. [quote]
    open_interest : ndarray, shape (n + 1,)
        Before the first bar and at the end of each; unknown ones held, or NaN in a model that does
        not follow it. [base]
    parameters : Parameters
        What was assumed.
    bars : Bars
        What the rules made of each bar.
    tiers : Tiers
        Price ratios and weights of the profile's leverages, at each entry price.
    holders : Holders
        Kinds of holders, and what each holds of a level.
    ledger : Ledger
        Sizes opened, closed, liquidated and open, by bar and side.
    death : ndarray of int32, shape (n, 2, leverages)
        Bar that killed each level; at least n while it lives; ``-1 - bar`` where its holders closed
        it entirely (policy ``nearest`` only).
    closings : Closings
        Closings of single levels (policy ``nearest`` only).
    last : Before
        What the next bar needs to know.
    """

    exchange: str
    symbol: str
    interval: timedelta
    open_time: Times
    close: Floats
    open_interest: Floats
    parameters: Parameters
    bars: Bars
    tiers: Tiers
    holders: Holders
    ledger: Ledger
    death: Ints
    closings: Closings
    last: Before

    def __len__(self) -> int:
        """Return the number of bars."""
        return self.open_time.size

    @property
    def stop(self) -> np.datetime64:
        """End of the last bar. [UTC]"""
        return self.last.stop

    @property
    def gap(self) -> NDArray[np.bool_]:
        """Which bars' flow is not known, shape (n,)."""
        return self.bars.gap

    @property
    def held(self) -> Floats:
        """Size of all levels before the first bar and after each, shape (n + 1, 2). [base]"""
        return self.ledger.held

    def ending(self, *, known: bool) -> "LevelBook":
        """Return it, told whether open interest is known at the end of the last bar."""
        return replace(self, last=self.last._replace(known=known))

    def until(self, time: np.datetime64) -> "LevelBook":
        """Return the book as it stood at a moment: of the bars that had ended by then.

        Nothing is computed anew and little is copied; deaths that came later stay in the array, as
        in a book that has grown since.

        Parameters
        ----------
        time : datetime64
            The moment; before the first bar's end the book is empty. [UTC]
        """
        ends = self.open_time + np.timedelta64(self.interval)
        count = int(np.searchsorted(ends, time, side="right"))
        if count == len(self):
            return self
        closed = int(np.searchsorted(self.closings.bar, count))
        return replace(
            self,
            open_time=self.open_time[:count],
            close=self.close[:count],
            open_interest=self.open_interest[: count + 1],
            bars=Bars._make(column[:count] for column in self.bars),
            ledger=Ledger._make(column[: count + 1] for column in self.ledger),
            death=self.death[:count],
            closings=Closings._make(column[:closed] for column in self.closings),
            last=self._before(count),
        )

    def is_alive(self) -> NDArray[np.bool_]:
        """Return which levels no bar has killed yet, shape (n, 2, leverages)."""
        # In a book that has grown since, later deaths stand in the same array.
        alive = self.death >= len(self)
        if self.parameters.closing == "nearest":
            alive |= (self.death < 0) & (-1 - self.death >= len(self))
        return alive

    def open_levels(self) -> "OpenLevels":
        """Return the levels that are open at the end of the last bar."""
        bar, side, tier = np.nonzero(self.is_alive())
        size = self.size(bar, side, tier, len(self))
        if self.closings.bar.size:
            _, sides, leverages = self.death.shape
            taken = np.zeros(self.death.size)
            np.add.at(taken, self.closings.level, self.closings.size)
            size = np.maximum(size - taken[(bar * sides + side) * leverages + tier], 0.0)
        kept = size > 0.0
        bar, side, tier = bar[kept], side[kept], tier[kept]
        return OpenLevels(
            price=self.price(bar, side, tier, len(self)),
            size=size[kept],
            side=side.astype(np.int8),
            tier=tier % len(self.parameters.profile.leverage),
            leverage=self.leverage(bar, tier),
            stretch=self._stretch(bar, side, tier),
            entry=self.bars.entry[bar, self.tiers.point[tier]],
            birth=bar,
        )

    def _stretch(self, bar: Indices, side: Indices, tier: Indices) -> Floats:
        """Return the prices between which levels lie in a map, shape (2, m): the lower first."""
        reach = self.parameters.profile.reach
        ends = [self.price(bar, side, tier, len(self), by) for by in (reach, 1.0 / reach)]
        return np.sort(ends, axis=0)

    def price(
        self,
        bar: Indices,
        side: Indices,
        tier: Indices,
        bars: int | Indices | None = None,
        reach: float = 1.0,
    ) -> Floats:
        """Return the liquidation prices of levels, named by birth, side and tier. [quote]

        They are those at birth, or after so many bars of the book, funding having moved them; at
        the leverages divided by ``reach``.
        """
        rules = self.bars.regime[bar]
        ratio = self.tiers.slope[rules, side, tier] * self.bars.turn[bar] * reach
        ratio += self.tiers.base[rules, side, tier]
        price = self.bars.entry[bar, self.tiers.point[tier]] * ratio
        if bars is not None and self.bars.paid.size:
            paid = self.bars.paid[np.asarray(bars) - 1] - self.bars.paid[bar]
            price = price + self.tiers.drift[side] * paid
        return np.asarray(price)

    def price_range(self) -> tuple[float, float]:
        """Return prices between which every level is drawn, of at least one bar. [quote]"""
        reach = self.parameters.profile.reach
        turns = np.array([self.bars.turn.min(initial=1.0) / reach, reach])
        ratio = self.tiers.base[..., None] + self.tiers.slope[..., None] * turns
        moved = float(self.tiers.drift.max() * np.ptp(self.bars.paid))
        low = float(self.bars.entry.min() * ratio.min()) - moved
        high = float(self.bars.entry.max() * ratio.max()) + moved
        return max(low * (1 - 1e-9), 0.0), high * (1 + 1e-9)

    def size(self, bar: Indices, side: Indices, tier: Indices, bars: int | Indices) -> Floats:
        """Return what proportional closing left of levels after so many bars of the book. [base]

        Levels that were crossed by then count as if they had not been.
        """
        size = np.zeros(bar.size)
        for part in range(len(self.holders.net)):
            kind = self.holders.kinds(tier, part)
            epochs = self.ledger.epoch[bars, side, kind] - self.ledger.epoch[bar + 1, side, kind]
            left = (
                self.ledger.survival[bars, side, kind] / self.ledger.survival[bar + 1, side, kind]
            )
            left *= np.ldexp(1.0, -512 * np.minimum(epochs, 3))
            size += self.ledger.opened[bar + 1, side, part] * left
        return size * self.tiers.weight[self.bars.regime[bar], tier]

    def leverage(self, bar: Indices, tier: Indices) -> Floats:
        """Return the leverages of levels, named by birth and tier. [-]"""
        leverage = self.tiers.leverage[self.bars.regime[bar], tier]
        return np.asarray(leverage / self.bars.turn[bar])

    def crossed(self) -> Floats:
        """Return the notional that each bar liquidated, shape (2, n). [quote]"""
        crossed = np.zeros((2, len(self)))
        sum_crossed(self.bars, self.tiers, self.holders, self.ledger, self.death, crossed)
        if self.closings.bar.size:
            bar, side, tier = np.unravel_index(self.closings.level, self.death.shape)
            last = self.death[bar, side, tier]
            killed = (last >= 0) & (last < len(self))
            ended = np.clip(last, 0, len(self) - 1).astype(np.int64) + 1
            taken = self.closings.size * self.price(bar, side, tier, ended)
            np.subtract.at(crossed, (side[killed], last[killed]), taken[killed])
        return crossed

    def _before(self, bar: int) -> Before:
        """Return what the bar needs to know of the one before it."""
        held = float(self.open_interest[bar])
        if bar == 0:
            return Before(np.datetime64("NaT", "us"), held, True)
        stop = self.open_time[bar - 1] + np.timedelta64(self.interval)
        if not self.holders.follows:
            return Before(stop, held, not np.isnan(held))
        # The change over a bar is flow only if open interest is known at both its ends. Where it
        # is a gap for another reason, it stays one whatever is said here.
        return Before(stop, held, not self.bars.gap[bar])


@dataclass(frozen=True, slots=True, eq=False)
class OpenLevels:
    """Levels at one moment, shape (m,) each.

    Attributes
    ----------
    price : ndarray
        Liquidation price. [quote]
    size : ndarray
        What is left. [base]
    side : ndarray of int8
        0 for longs, 1 for shorts.
    tier : ndarray of int
        Place in the profile's leverages.
    leverage : ndarray
        Entry notional over margin. [-]
    entry : ndarray
        Price at which it was opened. [quote]
    birth : ndarray of int
        Bar of birth.
    stretch : ndarray, shape (2, m)
        Prices between which a map draws it, the lower first: half-way to its neighbours on a
        turning ladder, else its own price. [quote]
    """

    price: Floats
    size: Floats
    side: NDArray[np.int8]
    tier: NDArray[np.int64]
    leverage: Floats
    entry: Floats
    birth: NDArray[np.int64]
    stretch: Floats

    @property
    def notional(self) -> Floats:
        """Size times liquidation price. [quote]"""
        return self.size * self.price

    @classmethod
    def joined(cls, parts: Iterable["OpenLevels"]) -> "OpenLevels":
        """Return the levels of several, one after the other."""
        every = list(parts)
        return cls(
            **{
                each.name: np.concatenate([getattr(part, each.name) for part in every], axis=-1)
                for each in fields(cls)
            }
        )

    def where(self, chosen: NDArray[np.bool_]) -> "OpenLevels":
        """Return the chosen levels."""
        return OpenLevels(
            **{each.name: getattr(self, each.name)[..., chosen] for each in fields(self)}
        )


def build_book(market: Market, parameters: Parameters) -> LevelBook:
    """Return the level book of a market.

    Raises
    ------
    ValueError
        If the market's arrays are not usable, or the parameters ask for what it does not have;
        the message names bar and value.

    Notes
    -----
    The first bar that touches a level depends on prices alone, so deaths are found first, in one
    pass back in time; then one pass forward books the flow. Policy ``nearest`` decides about
    single levels and takes the bars one by one instead.
    """
    check_market(market)
    check_needs(market, parameters)
    before = beginning(market)
    bars, held = bars_of(market, parameters, before)
    tiers = tiers_of(market.margin, parameters, market.interval)
    holders = holders_of(tiers, parameters)
    death = np.empty((len(market), 2, tiers.point.size), np.int32)
    # What does not follow open interest has no pool of it.
    pool = market.initial_open_interest if holders.follows else 0.0
    ledger = empty_ledger(len(market), pool, holders)
    closings = NO_CLOSINGS
    if parameters.closing == "nearest":
        closings = run_nearest(bars, tiers, holders, ledger, death)
    else:
        find_deaths(bars, tiers, death)
        run_flow(bars, tiers, holders, parameters.closing != "none", death, ledger)
    return LevelBook(
        exchange=market.exchange,
        symbol=market.symbol,
        interval=market.interval,
        open_time=market.open_time,
        close=market.close,
        open_interest=np.concatenate(([market.initial_open_interest], held)),
        parameters=parameters,
        bars=bars,
        tiers=tiers,
        holders=holders,
        ledger=ledger,
        death=death,
        closings=closings,
        last=after(market, held, before),
    )
