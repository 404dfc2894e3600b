"""The model once more in plain Python, slow and plain: the oracle of the compiled engine.

Follows the text of the model bar by bar with one object a level. Shares with the compiled engine
only the rules that turn a market into entries, shares and price ratios.
"""

from dataclasses import dataclass, field
from math import exp, expm1

import numpy as np

from engine.kernels import Bars, Floats, Holders, Tiers
from engine.market import Market, Times
from engine.parameters import Parameters
from engine.rules import bars_of, beginning, holders_of, tiers_of


@dataclass(slots=True)
class Level:
    """One level and its whole life.

    ``held`` is what is left of it by kind of holder [base], ``sizes`` what was left of all after
    each bar from birth on; ``liquidated`` is what the bar of ``death`` took.
    """

    birth: int
    side: int
    tier: int
    price: float
    born: float
    held: dict[int, float]
    sizes: list[float] = field(default_factory=list)
    death: int | None = None
    liquidated: float = 0.0
    closed: float = 0.0

    @property
    def size(self) -> float:
        """What is left. [base]"""
        return sum(self.held.values())


@dataclass(slots=True)
class SideState:
    """Living levels of a side and its open interest without a level. [base]"""

    pool: float
    levels: list[Level] = field(default_factory=list)

    @property
    def tracked(self) -> float:
        """Size of all living levels. [base]"""
        return sum(level.size for level in self.levels)

    def held_by(self, kind: int) -> float:
        """Size that one kind of holders has. [base]"""
        return sum(level.held.get(kind, 0.0) for level in self.levels)


@dataclass(slots=True)
class ReferenceBook:
    """All levels ever born, and totals by bar and side. [base]"""

    levels: list[Level]
    tracked: list[tuple[float, float]]
    pool: list[tuple[float, float]]


def build_reference(market: Market, parameters: Parameters) -> ReferenceBook:
    """Return the book of a market, computed level by level."""
    bars, _ = bars_of(market, parameters, beginning(market))
    tiers = tiers_of(market.margin, parameters, market.interval)
    holders = holders_of(tiers, parameters)
    pool = market.initial_open_interest if holders.follows else 0.0
    sides = [SideState(pool) for _ in range(2)]
    book = ReferenceBook([], [], [])
    for bar in range(len(market)):
        for side, state in enumerate(sides):
            gone = _cross(state, side, bar, bars)
            net, turned = _flow(state, bar, bars, holders, gone, parameters.closing)
            _open(state, side, bar, bars, tiers, holders, net, turned, book)
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


def _flow(
    state: SideState, bar: int, bars: Bars, holders: Holders, gone: float, policy: str
) -> tuple[float, float]:
    """Close what closes in a bar and return what opens, net and by turnover."""
    if not holders.follows:
        return 0.0, float(bars.turned_over[bar])
    held = state.tracked + state.pool
    net = float(bars.change[bar]) + gone
    if bars.gap[bar]:
        state.pool += net
        if state.pool < 0.0:
            missing, state.pool = -state.pool, 0.0
            if policy == "nearest":
                _close_nearest(state, missing)
            elif policy == "proportional":
                _close_by_kind(state, holders, missing)
        return 0.0, 0.0
    opened, turned = max(net, 0.0), float(bars.turned_over[bar])
    closing = opened + turned - net
    if policy == "none":
        state.pool = max(state.pool - closing, 0.0)
        return opened, turned
    most = holders.most_closed * held
    if closing > most:
        kept = max(opened + turned - (closing - most), 0.0) / (opened + turned or 1.0)
        opened, turned = kept * opened, kept * turned
        closing = min(max(opened + turned - net, 0.0), held)
    if policy == "nearest":
        state.pool = max(state.pool - _close_nearest(state, closing), 0.0)
    else:
        _close_by_kind(state, holders, closing)
    return opened, turned


def _close_by_kind(state: SideState, holders: Holders, closing: float) -> None:
    """Let each kind keep exp(-speed φ), φ being found by halving an interval."""
    kinds = range(len(holders.speed))
    held = [state.held_by(kind) for kind in kinds]
    pool_speed = holders.speed[holders.pool_kind]

    def closed(growth: float) -> float:
        return -state.pool * expm1(-growth * pool_speed) - sum(
            size * expm1(-growth * float(speed))
            for size, speed in zip(held, holders.speed, strict=True)
        )

    if closing <= 0.0:
        return
    low, high = 0.0, 1.0
    while closed(high) < closing and high < 1e9:
        high *= 2.0
    for _ in range(200):
        middle = (low + high) / 2.0
        low, high = (middle, high) if closed(middle) < closing else (low, middle)
    state.pool *= exp(-high * pool_speed)
    for level in list(state.levels):
        before = level.size
        for kind in level.held:
            level.held[kind] *= exp(-high * float(holders.speed[kind]))
        level.closed += before - level.size
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
        level.held[0] -= taken
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
    holders: Holders,
    net: float,
    turned: float,
    book: ReferenceBook,
) -> None:
    levered = float(bars.levered[bar, side])
    state.pool += (net + turned) * (1.0 - levered)
    row = bars.regime[bar]
    for tier, weight in enumerate(tiers.weight[row]):
        held = {
            int(holders.kinds(np.array([tier]), part)[0]): levered
            * float(weight * (holders.net[part] * net + holders.turned[part] * turned))
            for part in range(len(holders.net))
        }
        size = sum(held.values())
        if size > 0.0:
            ratio = tiers.base[row, side, tier] + tiers.slope[row, side, tier] * bars.turn[bar]
            price = float(bars.entry[bar, tiers.point[tier]] * ratio)
            price -= float(tiers.drift[side] * bars.paid[bar])
            level = Level(bar, side, tier, price, size, held)
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
