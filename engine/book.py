"""The level book: the engine's result, of which every picture is a view."""

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from engine.frontier_kernel import NO_CLOSINGS, Closings, run_nearest
from engine.kernels import Bars, Floats, Ints, Ledger, Tiers, empty_ledger, find_deaths, run_flow
from engine.market import Market, Times
from engine.parameters import Parameters
from engine.rules import Before, after, bars_of, beginning, check_market, check_takers, tiers_of


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
        Before the first bar and at the end of each, unknown ones held. [base]
    parameters : Parameters
        What was assumed.
    bars : Bars
        What the rules made of each bar.
    tiers : Tiers
        Price ratios and weights of the profile's leverages.
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
        last = len(self)
        epochs = self.ledger.epoch[last, side] - self.ledger.epoch[bar + 1, side]
        left = self.ledger.survival[last, side] / self.ledger.survival[bar + 1, side]
        size = self.ledger.opened[bar + 1, side] * self.tiers.weight[self.bars.regime[bar], tier]
        size *= left * np.ldexp(1.0, -512 * np.minimum(epochs, 3))
        if self.closings.bar.size:
            _, sides, leverages = self.death.shape
            taken = np.zeros(self.death.size)
            np.add.at(taken, self.closings.level, self.closings.size)
            size = np.maximum(size - taken[(bar * sides + side) * leverages + tier], 0.0)
        price = self.bars.entry[bar] * self.tiers.ratio[self.bars.regime[bar], side, tier]
        kept = size > 0.0
        return OpenLevels(
            price[kept], size[kept], side[kept].astype(np.int8), tier[kept], bar[kept]
        )

    def _before(self, bar: int) -> Before:
        """Return what the bar needs to know of the one before it."""
        held = float(self.open_interest[bar])
        if bar == 0:
            return Before(np.datetime64("NaT", "us"), held, True)
        stop = self.open_time[bar - 1] + np.timedelta64(self.interval)
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
    birth : ndarray of int
        Bar of birth.
    """

    price: Floats
    size: Floats
    side: NDArray[np.int8]
    tier: NDArray[np.int64]
    birth: NDArray[np.int64]

    @property
    def notional(self) -> Floats:
        """Size times liquidation price. [quote]"""
        return self.size * self.price


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
    check_takers(market, parameters)
    before = beginning(market)
    bars, held = bars_of(market, parameters, before)
    tiers = tiers_of(market.margin, parameters)
    death = np.empty((len(market), *tiers.ratio.shape[1:]), np.int32)
    ledger = empty_ledger(len(market), market.initial_open_interest)
    closings = NO_CLOSINGS
    if parameters.closing == "nearest":
        closings = run_nearest(bars, tiers, ledger, death)
    else:
        find_deaths(bars, tiers, death)
        run_flow(bars, tiers, parameters.closing != "none", death, ledger)
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
        ledger=ledger,
        death=death,
        closings=closings,
        last=after(market, held, before),
    )
