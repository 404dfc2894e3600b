"""Compiled loops that run a market's bars: deaths of levels, and flow.

A level is named by its index ``(bar * 2 + side) * tiers + tier``, so its birth, side, price and
size follow from the index, and all that is stored of it is the bar of its death.

Holders of one kind close in proportion to what they hold, so one number per bar, side and kind
says how much of what they opened remains: ``survival``, a running product. It is kept in
``(2**-512, 1]`` and ``epoch`` counts how often it was scaled up by ``2**512``. Powers of two scale
without rounding, so a book that grows bar by bar is equal to the last digit to one that is computed
at once.

Compiled code does not check bounds: the callers in `engine.book` size all arrays.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
Indices = NDArray[np.int64]

ALIVE = np.iinfo(np.int32).max
"""Death of a level that no bar has killed."""

_EPOCH = 2.0**-512
_CLOSED_OUT = 3  # epochs that pass when a kind closes entirely: nothing is left of what was there
_PRECISION = 1e-5  # of what is left, from which one more step meets closings exactly


class Bars(NamedTuple):
    """What the rules make of a market's n bars.

    Attributes
    ----------
    entry : ndarray, shape (n, points)
        Entry prices of levels born in the bar. [quote]
    turn : ndarray, shape (n,)
        Margin of the bar's rungs over that of the ladder's lowest turn; 1 for fixed leverages. [-]
    low, high : ndarray, shape (n,)
        Range that liquidates, less what funding moved longs' levels, and shorts', by. [quote]
    levered : ndarray, shape (n, 2)
        Share of a side's openings that is levered. [-]
    change : ndarray, shape (n,)
        Change of open interest over the bar; for a model that does not follow it, what might have
        opened in the bar. [base]
    gap : ndarray of bool, shape (n,)
        Whether the change is not known to be flow.
    turned_over : ndarray, shape (n,)
        Volume that is positions changing hands; for a model that does not follow open interest,
        all that opens. [base]
    regime : ndarray of int32, shape (n,)
        Row of `Tiers` in force.
    paid : ndarray, shape (n,)
        What a long has paid for funding since the first bar, per unit of base asset; 0 where that
        does not matter. [quote]
    """

    entry: Floats
    turn: Floats
    low: Floats
    high: Floats
    levered: Floats
    change: Floats
    gap: NDArray[np.bool_]
    turned_over: Floats
    regime: Ints
    paid: Floats


class Tiers(NamedTuple):
    """Where the levels of a bar lie, by regime of margin rules: one tier a leverage and entry.

    Attributes
    ----------
    base, slope : ndarray, shape (regimes, 2, tiers)
        Liquidation price over entry price is ``base + slope * turn`` of the bar. [-]
    weight : ndarray, shape (regimes, tiers)
        Share of levered openings. [-]
    leverage : ndarray, shape (regimes, tiers)
        Leverage times ``turn`` of the bar. [-]
    point : ndarray of int64, shape (tiers,)
        Column of ``Bars.entry``.
    drift : ndarray, shape (2,)
        By how much levels move for each unit of ``Bars.paid``; 0 where funding moves none. [-]
    """

    base: Floats
    slope: Floats
    weight: Floats
    leverage: Floats
    point: Indices
    drift: Floats


class Holders(NamedTuple):
    """Kinds of holders by how fast they close.

    Numbers by kind and part are tuples, so that loops over the few there are have a length known
    when they are compiled: several times faster.

    Attributes
    ----------
    speed : tuple of float, one a kind
        Relative speed of closing. [-]
    pool_kind : int
        Kind that holds open interest without a known liquidation price.
    of_tier : ndarray of int64, shape (tiers,)
        Kind that holds a tier's levels, where they are not in parts, one a kind.
    inflow : ndarray, shape (regimes, kinds, parts)
        Share of an opened part that each kind takes. [-]
    net, turned : tuple of float, one a part
        How net openings, and turnover, are split into parts. [-]
    most_closed : float
        Share of a side that may close in a bar while positions open. [-]
    follows : bool
        Whether positions open and close with open interest; else they only open.
    """

    speed: tuple[float, ...]
    pool_kind: int
    of_tier: Indices
    inflow: Floats
    net: tuple[float, ...]
    turned: tuple[float, ...]
    most_closed: float
    follows: bool

    def kinds(self, tier: Indices, part: int) -> Indices:
        """Return the kinds that hold a part of tiers' levels."""
        by_kind = len(self.net) == len(self.speed)
        return np.full_like(tier, part) if by_kind else self.of_tier[tier]


class Ledger(NamedTuple):
    """What happened to each side in each bar; row 0 is the state before the first.

    Attributes
    ----------
    opened : ndarray, shape (n + 1, 2, parts)
        Levels' size born in the bar. [base]
    closed, liquidated : ndarray, shape (n + 1, 2)
        Levels' size closed by their holders, and liquidated, in the bar. [base]
    tracked : ndarray, shape (n + 1, 2, kinds)
        Open interest after the bar with a known liquidation price. [base]
    pool : ndarray, shape (n + 1, 2)
        Open interest after the bar without one. [base]
    survival : ndarray, shape (n + 1, 2, kinds)
        Running product of what closing leaves.
    epoch : ndarray of int32, shape (n + 1, 2, kinds)
        How often it was scaled up.
    """

    opened: Floats
    closed: Floats
    liquidated: Floats
    tracked: Floats
    pool: Floats
    survival: Floats
    epoch: Ints

    @property
    def born(self) -> Floats:
        """All size born in the bar, shape (n + 1, 2). [base]"""
        return np.asarray(self.opened.sum(axis=2))

    @property
    def held(self) -> Floats:
        """All size of levels after the bar, shape (n + 1, 2). [base]"""
        return np.asarray(self.tracked.sum(axis=2))


def empty_ledger(bars: int, initial_open_interest: float, holders: Holders) -> Ledger:
    """Return a ledger for ``bars`` bars, all open interest [base] in the pool before the first."""
    shape = (bars + 1, 2)
    by_kind = (*shape, len(holders.speed))
    pool = np.zeros(shape)
    pool[0] = initial_open_interest
    return Ledger(
        opened=np.zeros((*shape, len(holders.net))),
        closed=np.zeros(shape),
        liquidated=np.zeros(shape),
        tracked=np.zeros(by_kind),
        pool=pool,
        survival=np.ones(by_kind),
        epoch=np.zeros(by_kind, np.int32),
    )


@njit(cache=True, nogil=True, inline="always")
def level_price(bars: Bars, tiers: Tiers, bar: int, side: int, tier: int) -> float:
    """Return the liquidation price of a level, less what funding had moved others by. [quote]

    All levels of a side move alike, so it is a constant, which is crossed where the range of a bar,
    less what funding has moved levels by until then, reaches it.
    """
    rules = bars.regime[bar]
    ratio = tiers.base[rules, side, tier] + tiers.slope[rules, side, tier] * bars.turn[bar]
    price = bars.entry[bar, tiers.point[tier]] * ratio
    return float(price - tiers.drift[side] * bars.paid[bar])


@njit(cache=True, nogil=True, inline="always")
def level_stretch(
    bars: Bars, tiers: Tiers, bar: int, side: int, tier: int, reach: float
) -> tuple[float, float]:
    """Return a level's liquidation prices at leverages ``reach`` times lower and higher.

    The lower price comes first.
    """
    rules = bars.regime[bar]
    base = tiers.base[rules, side, tier]
    slope = tiers.slope[rules, side, tier] * bars.turn[bar]
    entry, paid = bars.entry[bar, tiers.point[tier]], tiers.drift[side] * bars.paid[bar]
    one, other = entry * (base + slope * reach) - paid, entry * (base + slope / reach) - paid
    return min(one, other), max(one, other)


@njit(cache=True, nogil=True, inline="always")
def kind_of(holders: Holders, tier: int, part: int) -> int:
    """Return the kind that holds a part of a tier's levels."""
    # Which of the two is known when it is compiled.
    return part if len(holders.net) == len(holders.speed) else holders.of_tier[tier]


@njit(cache=True, nogil=True, inline="always")
def is_born(holders: Holders, ledger: Ledger, bar: int, side: int) -> bool:
    """Return whether any level was born on a side in a bar."""
    born = 0.0
    for part in range(len(holders.net)):
        born += ledger.opened[bar + 1, side, part]
    return born > 0.0


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
    count, tier_count = bars.turn.size, tiers.point.size
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
                rules, turn = bars.regime[bar], bars.turn[bar]
                entry, found = bars.entry[bar], death[bar, side]
                base, slope = tiers.base[rules, side], tiers.slope[rules, side]
                moved = tiers.drift[side] * bars.paid[bar]
                for tier in range(tier_count):
                    price = entry[tiers.point[tier]] * (base[tier] + slope[tier] * turn)
                    price = sign * (price - moved)
                    place = min(places[tier], top)
                    while place < top and extremes[place] <= price:
                        place += 1
                    while place > 0 and extremes[place - 1] > price:
                        place -= 1
                    places[tier] = place
                    found[tier] = extreme_bars[place - 1] if place > 0 else ALIVE
            else:
                death[bar, side, :] = ALIVE
            extreme = sign * reach[bar]
            while top > 0 and extremes[top - 1] >= extreme:
                top -= 1
            extremes[top] = extreme
            extreme_bars[top] = bar
            top += 1


@njit(cache=True, nogil=True)
def run_flow(
    bars: Bars, tiers: Tiers, holders: Holders, tied: bool, death: Ints, ledger: Ledger
) -> None:
    """Fill ``ledger`` from its row 0 on, with deaths from `find_deaths`.

    ``tied`` is false where levels leave only by crossing (closing policy ``none``).
    """
    count, tier_count = bars.turn.size, tiers.point.size
    kinds, parts = len(holders.speed), len(holders.net)
    # Size that will be liquidated in each bar, in units of survival at birth and of the epoch in
    # which it was last added to.
    dying = np.zeros((count, 2, kinds))
    dying_epoch = np.zeros((count, 2, kinds), np.int32)
    gone, scaled, epoch = np.empty(kinds), np.empty((kinds, parts)), np.empty(kinds, np.int32)
    for bar in range(count):
        rules = bars.regime[bar]
        for side in range(2):
            for kind in range(kinds):
                size = dying[bar, side, kind]
                if size > 0.0:
                    age = ledger.epoch[bar, side, kind] - dying_epoch[bar, side, kind]
                    size *= epoch_decay(age)
                    size *= ledger.survival[bar, side, kind]
                gone[kind] = size
            book_side(bars, holders, tied, bar, side, gone, ledger)
            if not is_born(holders, ledger, bar, side):
                continue
            for kind in range(kinds):
                epoch[kind] = ledger.epoch[bar + 1, side, kind]
                for part in range(parts):
                    scaled[kind, part] = (
                        ledger.opened[bar + 1, side, part] / ledger.survival[bar + 1, side, kind]
                    )
            for tier in range(tier_count):
                last = death[bar, side, tier]
                if last == ALIVE:
                    continue
                weight = tiers.weight[rules, tier]
                for part in range(parts):
                    kind = kind_of(holders, tier, part)
                    held = dying[last, side, kind]
                    if dying_epoch[last, side, kind] != epoch[kind]:
                        held *= epoch_decay(epoch[kind] - dying_epoch[last, side, kind])
                        dying_epoch[last, side, kind] = epoch[kind]
                    dying[last, side, kind] = held + scaled[kind, part] * weight


@njit(cache=True, nogil=True)
def turn_over(
    change: float, turned_over: float, gone: float, held: float, most_closed: float, tied: bool
) -> tuple[float, float, float]:
    """Return a side's net openings, turnover and closings, given what is liquidated and held.

    Where more would close than may, closings and openings are reduced alike, openings at most to
    nothing.
    """
    net = change + gone
    opening = max(net, 0.0) + turned_over
    closing = opening - net
    kept = 1.0
    if tied and closing > most_closed * held:
        kept = (
            max(opening - (closing - most_closed * held), 0.0) / opening if opening > 0.0 else 0.0
        )
        closing = min(max(kept * opening - net, 0.0), held)
    return max(net, 0.0) * kept, turned_over * kept, closing


@njit(cache=True, nogil=True)
def closing_growth(held: Floats, pool: float, closing: float, holders: Holders) -> float:
    """Return φ such that kinds that keep ``exp(-speed φ)`` of what they hold close ``closing``.

    Parameters
    ----------
    held : ndarray, shape (kinds,)
        What each kind holds. [base]
    pool : float
        Open interest without a known liquidation price. [base]
    closing : float
        What closes of all; infinity is returned where nothing would be left. [base]
    """
    total = slope = bend = 0.0
    for kind in range(len(holders.speed)):
        size = held[kind] + (pool if kind == holders.pool_kind else 0.0)
        total += size
        slope += size * holders.speed[kind]
        bend += size * holders.speed[kind] * holders.speed[kind]
    if closing <= 0.0:
        return 0.0
    if closing >= total:
        return np.inf
    # Halley's steps converge with the third power, so the one that is taken within the precision
    # leaves an error below round-off, which would add up over bars. Far from the root, where they
    # could pass it, Newton's can't: closings grow with φ and bend down.
    precise = _PRECISION * (total - closing) + 1e-15 * total
    growth, error = 0.0, -closing
    for _ in range(100):
        if abs(error) * bend < slope * slope:
            slope += error * bend / (2.0 * slope)
        growth -= error / max(slope, 1e-300)
        if abs(error) < precise:
            break
        error, slope, bend = -closing, 0.0, 0.0
        for kind in range(len(holders.speed)):
            size = held[kind] + (pool if kind == holders.pool_kind else 0.0)
            left = size * np.exp(-growth * holders.speed[kind])
            error += size - left
            slope += left * holders.speed[kind]
            bend += left * holders.speed[kind] * holders.speed[kind]
    return growth


@njit(cache=True, nogil=True, inline="always")
def book_side(
    bars: Bars,
    holders: Holders,
    tied: bool,
    bar: int,
    side: int,
    gone: Floats,
    ledger: Ledger,
) -> None:
    """Book one side's bar with proportional or no closing, ``gone`` being liquidated by kind."""
    kinds = len(holders.speed)
    levels = liquidated = 0.0
    for kind in range(kinds):
        taken = min(gone[kind], ledger.tracked[bar, side, kind])
        ledger.tracked[bar + 1, side, kind] = ledger.tracked[bar, side, kind] - taken
        liquidated += taken
        levels += ledger.tracked[bar + 1, side, kind]
    rest = ledger.pool[bar, side]
    net = turned = closing = 0.0
    if not holders.follows:
        turned = bars.turned_over[bar]
    elif bars.gap[bar]:
        rest += bars.change[bar] + liquidated
        closing, rest = max(-rest, 0.0), max(rest, 0.0)
    else:
        net, turned, closing = turn_over(
            bars.change[bar],
            bars.turned_over[bar],
            liquidated,
            levels + rest,
            holders.most_closed,
            tied,
        )
        if not tied:
            rest = max(rest - closing, 0.0)
    if not tied:
        closing = 0.0
    left = 0.0
    if kinds == 1:
        # All close alike, so that what is left needs no search.
        held = levels + rest
        remains = max(held - closing, 0.0) / held if closing > 0.0 and held > 0.0 else 1.0
        rest *= remains
        left = _close(bar, side, 0, remains, ledger)
    else:
        growth = closing_growth(ledger.tracked[bar + 1, side], rest, closing, holders)
        for kind in range(kinds):
            remains = np.exp(-growth * holders.speed[kind])
            left += _close(bar, side, kind, remains, ledger)
            if kind == holders.pool_kind:
                rest *= remains
    enter(bars, holders, bar, side, liquidated, levels - left, rest, net, turned, ledger)


@njit(cache=True, nogil=True, inline="always")
def _close(bar: int, side: int, kind: int, remains: float, ledger: Ledger) -> float:
    """Let ``remains`` of what a kind holds remain, and return that. [base]"""
    left: float = ledger.tracked[bar + 1, side, kind] * remains
    product, age = ledger.survival[bar, side, kind] * remains, ledger.epoch[bar, side, kind]
    if product <= _EPOCH * _EPOCH:
        product = 1.0
        age += _CLOSED_OUT
        left = 0.0
    elif product <= _EPOCH:
        product /= _EPOCH
        age += 1
    ledger.survival[bar + 1, side, kind] = product
    ledger.epoch[bar + 1, side, kind] = age
    ledger.tracked[bar + 1, side, kind] = left
    return left


@njit(cache=True, nogil=True, inline="always")
def enter(
    bars: Bars,
    holders: Holders,
    bar: int,
    side: int,
    liquidated: float,
    closed: float,
    rest: float,
    net: float,
    turned: float,
    ledger: Ledger,
) -> None:
    """Enter a side's bar: ``rest`` remains of the pool, ``net`` and ``turned`` open."""
    born = 0.0
    for part in range(len(holders.net)):
        opened = holders.net[part] * net + holders.turned[part] * turned
        opened *= bars.levered[bar, side]
        ledger.opened[bar + 1, side, part] = opened
        born += opened
        for kind in range(len(holders.speed)):
            share = holders.inflow[bars.regime[bar], kind, part]
            ledger.tracked[bar + 1, side, kind] += opened * share
    ledger.liquidated[bar + 1, side] = liquidated
    ledger.closed[bar + 1, side] = closed
    ledger.pool[bar + 1, side] = max(rest + (net + turned - born), 0.0)


@njit(cache=True, nogil=True)
def sum_crossed(
    bars: Bars, tiers: Tiers, holders: Holders, ledger: Ledger, death: Ints, crossed: Floats
) -> None:
    """Add each level's notional where a bar liquidates it to ``crossed``, shape (2, n). [quote]"""
    count = bars.turn.size
    for bar in range(count):
        rules = bars.regime[bar]
        for side in range(2):
            if not is_born(holders, ledger, bar, side):
                continue
            for tier in range(tiers.point.size):
                last = death[bar, side, tier]
                if not 0 <= last < count:
                    continue
                size = 0.0
                for part in range(len(holders.net)):
                    kind = kind_of(holders, tier, part)
                    size += ledger.opened[bar + 1, side, part] * decay(
                        ledger.survival[last, side, kind],
                        ledger.epoch[last, side, kind],
                        ledger.survival[bar + 1, side, kind],
                        ledger.epoch[bar + 1, side, kind],
                    )
                price = level_price(bars, tiers, bar, side, tier)
                price += tiers.drift[side] * bars.paid[last]
                crossed[side, last] += size * tiers.weight[rules, tier] * price


@njit(cache=True, nogil=True)
def stands_out(values: Floats, first: int, window: int, rank: int) -> NDArray[np.bool_]:
    """Return which values are among the largest of the ``window`` before them.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Not negative.
    first : int
        Values before this place are history only.
    window : int
        How many before a value it is compared with; with fewer, none stands out.
    rank : int
        A value stands out if fewer than that many of them are at least as large, and it is not 0.

    Returns
    -------
    ndarray of bool, shape (n - first,)
    """
    found = np.zeros(values.size - first, np.bool_)
    for i in range(max(first, window), values.size):
        larger, place = 0, i - 1
        while place >= i - window and larger < rank:
            if values[place] >= values[i]:
                larger += 1
            place -= 1
        found[i - first] = larger < rank and values[i] > 0.0
    return found
