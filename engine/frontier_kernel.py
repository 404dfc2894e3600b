"""Compiled loops that take bars one by one, with the living levels in order of their price.

They serve books that grow, and the closing policy ``nearest``, which needs that order. A binary
heap a side holds the levels that are nearest to liquidation on top. Its key is the level's price
for shorts and the negated price for longs, so that a level is crossed where its key is at most the
reach of the bar: its high, or its negated low.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from engine.kernels import (
    ALIVE,
    Bars,
    Floats,
    Holders,
    Indices,
    Ints,
    Ledger,
    Tiers,
    book_side,
    closed_in,
    enter,
    epoch_decay,
    is_born,
    kind_of,
    level_price,
    turn_over,
)


class Frontier(NamedTuple):
    """The living levels, nearest to liquidation first.

    Attributes
    ----------
    keys : ndarray, shape (2, capacity)
        Heap of negated prices of longs, of prices of shorts. [quote]
    levels : ndarray of int64, shape (2, capacity)
        Their indices.
    counts : ndarray of int64, shape (2,)
        How many there are.
    """

    keys: Floats
    levels: Indices
    counts: Indices


class Closings(NamedTuple):
    """What policy ``nearest`` closed of single levels, oldest first.

    Attributes
    ----------
    bar : ndarray of int32, shape (m,)
        When.
    level : ndarray of int64, shape (m,)
        Of which level.
    size : ndarray, shape (m,)
        How much. [base]
    """

    bar: Ints
    level: Indices
    size: Floats


NO_CLOSINGS = Closings(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0))


def empty_frontier(capacity: int) -> Frontier:
    """Return a frontier with room for ``capacity`` levels a side."""
    return Frontier(
        np.empty((2, capacity)), np.empty((2, capacity), np.int64), np.zeros(2, np.int64)
    )


@njit(cache=True, nogil=True)
def push(keys: Floats, levels: Indices, count: int, key: float, level: int) -> None:
    """Put a level into a heap of ``count`` that has room for it."""
    place = count
    while place > 0:
        parent = (place - 1) // 2
        if keys[parent] <= key:
            break
        keys[place], levels[place] = keys[parent], levels[parent]
        place = parent
    keys[place], levels[place] = key, level


@njit(cache=True, nogil=True)
def pop(keys: Floats, levels: Indices, count: int) -> None:
    """Drop the top of a heap of ``count``."""
    key, level = keys[count - 1], levels[count - 1]
    place, child = 0, 1
    while child < count - 1:
        if child + 1 < count - 1 and keys[child + 1] < keys[child]:
            child += 1
        if key <= keys[child]:
            break
        keys[place], levels[place] = keys[child], levels[child]
        place, child = child, 2 * child + 1
    keys[place], levels[place] = key, level


@njit(cache=True, nogil=True)
def push_born(
    bars: Bars, tiers: Tiers, bar: int, side: int, death: Ints, frontier: Frontier
) -> None:
    """Put the living levels born in a bar into the frontier, which has room for them."""
    rules = bars.regime[bar]
    for tier in range(tiers.point.size):
        if death[bar, side, tier] == ALIVE and tiers.weight[rules, tier] > 0.0:
            price = level_price(bars, tiers, bar, side, tier)
            push(
                frontier.keys[side],
                frontier.levels[side],
                frontier.counts[side],
                -price if side == 0 else price,
                (bar * 2 + side) * tiers.point.size + tier,
            )
            frontier.counts[side] += 1


@njit(cache=True, nogil=True)
def gather(
    bars: Bars, tiers: Tiers, holders: Holders, ledger: Ledger, death: Ints, frontier: Frontier
) -> None:
    """Put every living level of a finished run into an empty frontier."""
    for bar in range(bars.turn.size):
        for side in range(2):
            if is_born(holders, ledger, bar, side):
                push_born(bars, tiers, bar, side, death, frontier)


@njit(cache=True, nogil=True)
def pop_crossed(
    bars: Bars, bar: int, side: int, tier_count: int, death: Ints, frontier: Frontier
) -> Indices:
    """Take the levels that a bar touches off the frontier and return them, oldest first."""
    keys, levels = frontier.keys[side], frontier.levels[side]
    reach = -bars.low[bar] if side == 0 else bars.high[bar]
    crossed = np.empty(16, np.int64)
    found = 0
    while frontier.counts[side] > 0 and keys[0] <= reach:
        if found == crossed.size:
            crossed = np.concatenate((crossed, np.empty(found, np.int64)))
        crossed[found] = levels[0]
        found += 1
        pop(keys, levels, frontier.counts[side])
        frontier.counts[side] -= 1
    for level in crossed[:found]:
        death[level // (2 * tier_count), side, level % tier_count] = bar
    return np.sort(crossed[:found])


@njit(cache=True, nogil=True)
def advance(
    bars: Bars,
    tiers: Tiers,
    holders: Holders,
    start: int,
    tied: bool,
    ledger: Ledger,
    death: Ints,
    frontier: Frontier,
) -> None:
    """Run bars from ``start`` on with proportional or no closing.

    Sums are taken in the order in which `engine.kernels.run_flow` takes them, so that the results
    do not differ in any digit.
    """
    tier_count, kinds = tiers.point.size, len(holders.speed)
    gone = np.empty(kinds)
    dying_epoch = np.empty(kinds, np.int32)
    for bar in range(start, bars.turn.size):
        for side in range(2):
            gone[:] = 0.0
            dying_epoch[:] = 0
            for level in pop_crossed(bars, bar, side, tier_count, death, frontier):
                birth, tier = level // (2 * tier_count), level % tier_count
                for part in range(len(holders.net)):
                    kind = kind_of(holders, tier, part)
                    now = ledger.epoch[birth + 1, side, kind]
                    if dying_epoch[kind] != now:
                        gone[kind] *= epoch_decay(now - dying_epoch[kind])
                        dying_epoch[kind] = now
                    scaled = ledger.opened[birth + 1, side, part]
                    scaled /= ledger.survival[birth + 1, side, kind]
                    gone[kind] += scaled * tiers.weight[bars.regime[birth], tier]
            for kind in range(kinds):
                gone[kind] *= epoch_decay(ledger.epoch[bar, side, kind] - dying_epoch[kind])
                gone[kind] *= ledger.survival[bar, side, kind]
            book_side(bars, holders, tied, bar, side, gone, ledger)
            death[bar, side, :] = ALIVE
            if is_born(holders, ledger, bar, side):
                push_born(bars, tiers, bar, side, death, frontier)


@njit(cache=True, nogil=True)
def advance_nearest(
    bars: Bars,
    tiers: Tiers,
    holders: Holders,
    start: int,
    ledger: Ledger,
    death: Ints,
    frontier: Frontier,
    size: Floats,
    closings: Closings,
    closing_count: int,
) -> int:
    """Run bars from ``start`` on, closing the levels nearest to liquidation first.

    ``size``, shape (n, 2, tiers), holds what is left of each level [base]; ``closings`` is filled
    from ``closing_count`` on, and the new count returned.
    """
    tier_count = tiers.point.size
    flat_size = size.reshape(-1)
    for bar in range(start, bars.turn.size):
        for side in range(2):
            gone = 0.0
            for level in pop_crossed(bars, bar, side, tier_count, death, frontier):
                gone += flat_size[level]
            gone = min(gone, ledger.tracked[bar, side, 0])
            levels = ledger.tracked[bar, side, 0] - gone
            rest = ledger.pool[bar, side]
            net, turned, closing = 0.0, 0.0, 0.0
            if bars.gap[bar]:
                rest += bars.change[bar] + gone
                closing, rest = max(-rest, 0.0), max(rest, 0.0)
            else:
                net, turned, closing = turn_over(
                    bars.change[bar], bars.turned_over[bar], gone, levels + rest, 1.0, True
                )
            wanted = closing
            while wanted > 0.0 and frontier.counts[side] > 0:
                level = frontier.levels[side, 0]
                taken = min(wanted, flat_size[level])
                closings.bar[closing_count] = bar
                closings.level[closing_count] = level
                closings.size[closing_count] = taken
                closing_count += 1
                wanted -= taken
                flat_size[level] -= taken
                if flat_size[level] <= 0.0:
                    death[level // (2 * tier_count), side, level % tier_count] = closed_in(bar)
                    pop(frontier.keys[side], frontier.levels[side], frontier.counts[side])
                    frontier.counts[side] -= 1
            left = max(levels - (closing - wanted), 0.0) if frontier.counts[side] > 0 else 0.0
            rest = max(rest - wanted, 0.0)
            ledger.tracked[bar + 1, side, 0] = left
            ledger.survival[bar + 1, side, 0] = 1.0
            ledger.epoch[bar + 1, side, 0] = 0
            enter(bars, holders, bar, side, gone, levels - left, rest, net, turned, ledger)
            death[bar, side, :] = ALIVE
            for tier in range(tier_count):
                size[bar, side, tier] = (
                    ledger.opened[bar + 1, side, 0] * tiers.weight[bars.regime[bar], tier]
                )
            if is_born(holders, ledger, bar, side):
                push_born(bars, tiers, bar, side, death, frontier)
    return closing_count


def run_nearest(
    bars: Bars, tiers: Tiers, holders: Holders, ledger: Ledger, death: Ints
) -> Closings:
    """Run all bars with policy ``nearest``; fill ``ledger`` and ``death``, return the closings."""
    # Each bar closes at most one level of a side in part; all others it closes are gone.
    most = death.size + 2 * bars.turn.size
    closings = Closings(np.empty(most, np.int32), np.empty(most, np.int64), np.empty(most))
    frontier = empty_frontier(death.size // 2)
    count = advance_nearest(
        bars, tiers, holders, 0, ledger, death, frontier, np.zeros(death.shape), closings, 0
    )
    return Closings._make(column[:count].copy() for column in closings)
