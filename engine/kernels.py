"""Compiled loops that run a market's bars: deaths of levels, and flow.

A level is named by its index ``(bar * 2 + side) * tiers + tier``, so its birth, side, price and
size follow from the index, and all that is stored of it is the bar of its death.

Proportional closing shrinks all levels of a side alike, so one number per bar and side says how
much of a level remains: ``survival``, a running product. It is kept in ``(2**-512, 1]`` and
``epoch`` counts how often it was scaled up by ``2**512``. Powers of two scale without rounding, so
a book that grows bar by bar is equal to the last digit to one that is computed at once.

Compiled code does not check bounds: the callers in `engine.book` size all arrays.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]

ALIVE = np.iinfo(np.int32).max
"""Death of a level that no bar has killed."""

_EPOCH = 2.0**-512
_CLOSED_OUT = 3  # epochs that pass when a side closes entirely: nothing is left of what was there


class Bars(NamedTuple):
    """What the rules make of a market's n bars.

    Attributes
    ----------
    entry : ndarray, shape (n,)
        Entry price of levels born in the bar. [quote]
    low, high : ndarray, shape (n,)
        Range that liquidates. [quote]
    levered : ndarray, shape (n, 2)
        Share of a side's openings that is levered. [-]
    change : ndarray, shape (n,)
        Change of open interest over the bar. [base]
    gap : ndarray of bool, shape (n,)
        Whether the change is not known to be flow.
    turned_over : ndarray, shape (n,)
        Volume that is positions changing hands. [base]
    regime : ndarray of int32, shape (n,)
        Row of `Tiers` in force.
    """

    entry: Floats
    low: Floats
    high: Floats
    levered: Floats
    change: Floats
    gap: NDArray[np.bool_]
    turned_over: Floats
    regime: Ints


class Tiers(NamedTuple):
    """Where levels of each leverage lie, by regime of margin rules.

    Attributes
    ----------
    ratio : ndarray, shape (regimes, 2, tiers)
        Liquidation price over entry price. [-]
    weight : ndarray, shape (regimes, tiers)
        Share of levered openings. [-]
    """

    ratio: Floats
    weight: Floats


class Ledger(NamedTuple):
    """What happened to each side in each bar; row 0 is the state before the first.

    Attributes
    ----------
    opened, closed, liquidated : ndarray, shape (n + 1, 2)
        Levels' size born, closed by their holders, and liquidated in the bar. [base]
    tracked, pool : ndarray, shape (n + 1, 2)
        Open interest after the bar with and without a known liquidation price. [base]
    survival : ndarray, shape (n + 1, 2)
        Running product of what proportional closing leaves.
    epoch : ndarray of int32, shape (n + 1, 2)
        How often it was scaled up.
    """

    opened: Floats
    closed: Floats
    liquidated: Floats
    tracked: Floats
    pool: Floats
    survival: Floats
    epoch: Ints


def empty_ledger(bars: int, initial_open_interest: float) -> Ledger:
    """Return a ledger for ``bars`` bars, all open interest [base] in the pool before the first."""
    shape = (bars + 1, 2)
    pool = np.zeros(shape)
    pool[0] = initial_open_interest
    return Ledger(
        opened=np.zeros(shape),
        closed=np.zeros(shape),
        liquidated=np.zeros(shape),
        tracked=np.zeros(shape),
        pool=pool,
        survival=np.ones(shape),
        epoch=np.zeros(shape, np.int32),
    )


@njit(cache=True, nogil=True)
def closed_in(bar: int) -> int:
    """Return the death of a level that its holders closed entirely (policy ``nearest``)."""
    return -1 - bar


@njit(cache=True, nogil=True)
def death_bar(death: int) -> tuple[int, bool]:
    """Return the bar of a death, and whether the level was closed rather than liquidated."""
    if death < 0:
        return -1 - death, True
    return death, False


@njit(cache=True, nogil=True)
def epoch_decay(epochs: int) -> float:
    """Return the factor that scales a product of ``epochs`` ago to now's scale."""
    if epochs == 0:
        return 1.0
    if epochs == 1:
        return _EPOCH
    return _EPOCH * _EPOCH if epochs == 2 else 0.0


@njit(cache=True, nogil=True)
def decay(survival: float, epoch: int, birth_survival: float, birth_epoch: int) -> float:
    """Return the share of a level that is left, from the running products then and at birth."""
    return survival / birth_survival * epoch_decay(epoch - birth_epoch)


@njit(cache=True, nogil=True)
def find_deaths(bars: Bars, tiers: Tiers, death: Ints) -> None:
    """Fill ``death``, shape (n, 2, tiers), with the first later bar that touches each level.

    Notes
    -----
    Going back in time, a stack holds the bars that set a new extreme over all that lie between
    them and now: the only ones that can be the first to reach a price. A tier's place in the stack
    hardly moves from one bar to the next, so each search starts where the last one ended.
    """
    count, tier_count = bars.entry.size, tiers.weight.shape[1]
    extremes = np.empty(count)
    extreme_bars = np.empty(count, np.int32)
    places = np.empty(tier_count, np.int64)
    for side in range(2):
        # Shorts are longs of the negated price.
        sign = 1.0 if side == 0 else -1.0
        reach = bars.low if side == 0 else bars.high
        top = 0
        places[:] = 0
        for bar in range(count - 1, -1, -1):
            if bars.levered[bar, side] > 0.0:
                rules = bars.regime[bar]
                for tier in range(tier_count):
                    price = sign * (bars.entry[bar] * tiers.ratio[rules, side, tier])
                    place = min(places[tier], top)
                    while place < top and extremes[place] <= price:
                        place += 1
                    while place > 0 and extremes[place - 1] > price:
                        place -= 1
                    places[tier] = place
                    death[bar, side, tier] = extreme_bars[place - 1] if place > 0 else ALIVE
            else:
                death[bar, side, :] = ALIVE
            extreme = sign * reach[bar]
            while top > 0 and extremes[top - 1] >= extreme:
                top -= 1
            extremes[top] = extreme
            extreme_bars[top] = bar
            top += 1


@njit(cache=True, nogil=True)
def run_flow(bars: Bars, tiers: Tiers, tied: bool, death: Ints, ledger: Ledger) -> None:
    """Fill ``ledger`` from its row 0 on, with deaths from `find_deaths`.

    ``tied`` is false where levels leave only by crossing (closing policy ``none``).
    """
    count, tier_count = bars.entry.size, tiers.weight.shape[1]
    # Size that will be liquidated in each bar, in units of survival at birth and of the epoch in
    # which it was last added to.
    dying = np.zeros((count, 2))
    dying_epoch = np.zeros((count, 2), np.int32)
    for bar in range(count):
        rules = bars.regime[bar]
        for side in range(2):
            gone = dying[bar, side] * epoch_decay(ledger.epoch[bar, side] - dying_epoch[bar, side])
            book_side(bars, tied, bar, side, gone * ledger.survival[bar, side], ledger)
            born = ledger.opened[bar + 1, side]
            if born <= 0.0:
                continue
            scaled = born / ledger.survival[bar + 1, side]
            now = ledger.epoch[bar + 1, side]
            for tier in range(tier_count):
                last = death[bar, side, tier]
                if last != ALIVE:
                    if dying_epoch[last, side] != now:
                        dying[last, side] *= epoch_decay(now - dying_epoch[last, side])
                        dying_epoch[last, side] = now
                    dying[last, side] += scaled * tiers.weight[rules, tier]


@njit(cache=True, nogil=True)
def turn_over(
    change: float, turned_over: float, gone: float, held: float, tied: bool
) -> tuple[float, float]:
    """Return opening and closing size of a side, given what is liquidated and what is held."""
    net = change + gone
    opening = max(net, 0.0) + turned_over
    closing = opening - net
    if closing > held and tied:
        opening = max(opening - (closing - held), 0.0)
        closing = held
    return opening, closing


@njit(cache=True, nogil=True)
def book_side(bars: Bars, tied: bool, bar: int, side: int, gone: float, ledger: Ledger) -> None:
    """Book one side's bar with proportional or no closing, ``gone`` being liquidated in it."""
    gone = min(gone, ledger.tracked[bar, side])
    levels = ledger.tracked[bar, side] - gone
    rest = ledger.pool[bar, side]
    remains = 1.0
    opening = 0.0
    if bars.gap[bar]:
        rest += bars.change[bar] + gone
        if rest < 0.0:
            if tied and levels > 0.0:
                remains = max(levels + rest, 0.0) / levels
            rest = 0.0
    else:
        held = levels + rest
        opening, closing = turn_over(bars.change[bar], bars.turned_over[bar], gone, held, tied)
        if not tied:
            rest = max(rest - closing, 0.0)
        elif closing > 0.0:
            remains = max(held - closing, 0.0) / held
            rest *= remains
    left = levels * remains
    product, age = ledger.survival[bar, side] * remains, ledger.epoch[bar, side]
    if product <= _EPOCH * _EPOCH:
        product = 1.0
        age += _CLOSED_OUT
        left = 0.0
    elif product <= _EPOCH:
        product /= _EPOCH
        age += 1
    ledger.survival[bar + 1, side] = product
    ledger.epoch[bar + 1, side] = age
    enter(bars, bar, side, gone, levels, left, rest, opening, ledger)


@njit(cache=True, nogil=True)
def enter(
    bars: Bars,
    bar: int,
    side: int,
    gone: float,
    levels: float,
    left: float,
    rest: float,
    opening: float,
    ledger: Ledger,
) -> None:
    """Enter a side's bar: ``left`` of ``levels`` and ``rest`` remain, ``opening`` comes."""
    born = opening * bars.levered[bar, side]
    ledger.liquidated[bar + 1, side] = gone
    ledger.closed[bar + 1, side] = levels - left
    ledger.opened[bar + 1, side] = born
    ledger.tracked[bar + 1, side] = left + born
    ledger.pool[bar + 1, side] = rest + (opening - born)
