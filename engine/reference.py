"""The model once more in plain Python, slow and plain: the oracle of the compiled engine.

Follows the text of the model bar by bar with one object a level. Shares with the compiled engine
only the rules that turn a market into entries, shares and price ratios.
"""

from dataclasses import dataclass, field

import numpy as np

from engine.kernels import Bars, Floats, Tiers
from engine.market import Market, Times
from engine.parameters import Parameters
from engine.rules import bars_of, beginning, tiers_of


@dataclass(slots=True)
class Level:
    """One level and its whole life.

    ``sizes`` holds what was left after each bar from birth on [base]; ``liquidated`` is what the
    bar of ``death`` took.
    """

    birth: int
    side: int
    tier: int
    price: float
    born: float
    size: float
    sizes: list[float] = field(default_factory=list)
    death: int | None = None
    liquidated: float = 0.0
    closed: float = 0.0


@dataclass(slots=True)
class SideState:
    """Living levels of a side and its open interest without a level. [base]"""

    pool: float
    levels: list[Level] = field(default_factory=list)

    @property
    def tracked(self) -> float:
        """Size of all living levels. [base]"""
        return sum(level.size for level in self.levels)


@dataclass(slots=True)
class ReferenceBook:
    """All levels ever born, and totals by bar and side. [base]"""

    levels: list[Level]
    tracked: list[tuple[float, float]]
    pool: list[tuple[float, float]]


def build_reference(market: Market, parameters: Parameters) -> ReferenceBook:
    """Return the book of a market, computed level by level."""
    bars, _ = bars_of(market, parameters, beginning(market))
    tiers = tiers_of(market.margin, parameters)
    sides = [SideState(market.initial_open_interest) for _ in range(2)]
    book = ReferenceBook([], [], [])
    for bar in range(len(market)):
        for side, state in enumerate(sides):
            gone = _cross(state, side, bar, bars)
            opening = _flow(state, bar, bars, gone, parameters.closing)
            _open(state, side, bar, bars, tiers, opening, book)
            for level in state.levels:
                level.sizes.append(level.size)
        book.tracked.append((sides[0].tracked, sides[1].tracked))
        book.pool.append((sides[0].pool, sides[1].pool))
    return book


def _cross(state: SideState, side: int, bar: int, bars: Bars) -> float:
    gone = 0.0
    for level in list(state.levels):
        touched = bars.low[bar] <= level.price if side == 0 else bars.high[bar] >= level.price
        if touched:
            level.death, level.liquidated = bar, level.size
            gone += level.size
            state.levels.remove(level)
    return gone


def _flow(state: SideState, bar: int, bars: Bars, gone: float, policy: str) -> float:
    """Close what closes in a bar and return the size that opens."""
    held = state.tracked + state.pool
    net = float(bars.change[bar]) + gone
    if bars.gap[bar]:
        state.pool += net
        if state.pool < 0.0:
            missing, state.pool = -state.pool, 0.0
            if policy == "nearest":
                _close_nearest(state, missing)
            elif policy == "proportional" and state.levels:
                _shrink(state, missing / state.tracked)
        return 0.0
    opening = max(net, 0.0) + float(bars.turned_over[bar])
    closing = opening - net
    if policy == "none":
        state.pool = max(state.pool - closing, 0.0)
        return opening
    if closing > held:
        opening, closing = max(opening - (closing - held), 0.0), held
    if closing <= 0.0:
        return opening
    if policy == "nearest":
        state.pool = max(state.pool - _close_nearest(state, closing), 0.0)
    else:
        state.pool *= 1.0 - min(closing / held, 1.0)
        _shrink(state, closing / held)
    return opening


def _shrink(state: SideState, share: float) -> None:
    for level in list(state.levels):
        taken = level.size * min(share, 1.0)
        level.size -= taken
        level.closed += taken
        if level.size <= 0.0:
            state.levels.remove(level)


def _close_nearest(state: SideState, wanted: float) -> float:
    """Close levels nearest to liquidation first and return what the pool must give."""
    for level in sorted(
        state.levels, key=lambda level: -level.price if level.side == 0 else level.price
    ):
        if wanted <= 0.0:
            break
        taken = min(wanted, level.size)
        wanted -= taken
        level.size -= taken
        level.closed += taken
        if level.size <= 0.0:
            state.levels.remove(level)
    return wanted


def _open(
    state: SideState,
    side: int,
    bar: int,
    bars: Bars,
    tiers: Tiers,
    opening: float,
    book: ReferenceBook,
) -> None:
    born = opening * float(bars.levered[bar, side])
    state.pool += opening - born
    row = bars.regime[bar]
    for tier, weight in enumerate(tiers.weight[row]):
        size = born * float(weight)
        if size > 0.0:
            price = float(bars.entry[bar] * tiers.ratio[row, side, tier])
            level = Level(bar, side, tier, price, size, size)
            state.levels.append(level)
            book.levels.append(level)


def draw_reference(
    book: ReferenceBook, market: Market, times: Times, edges: Floats
) -> tuple[Floats, Floats]:
    """Return active and consumed notional, shape (2, buckets, columns), drawn level by level."""
    columns, buckets = len(times) - 1, len(edges) - 1
    active, consumed = np.zeros((2, buckets, columns)), np.zeros((2, buckets, columns))
    ends = market.open_time + np.timedelta64(market.interval)
    for level in book.levels:
        if not edges[0] <= level.price < edges[-1]:
            continue
        share = (level.price - edges[0]) * (buckets / (edges[-1] - edges[0]))
        bucket = min(int(share), buckets - 1)
        for column in range(columns):
            ended = int(np.count_nonzero(ends <= times[column + 1]))
            age = ended - 1 - level.birth
            if 0 <= age < len(level.sizes):
                active[level.side, bucket, column] += level.sizes[age] * level.price
            if level.death is not None and times[column] < ends[level.death] <= times[column + 1]:
                consumed[level.side, bucket, column] += level.liquidated * level.price
    return active, consumed
