"""A market with known truth: traders whose positions, leverages and liquidation prices we know.

It exists to show the product without any exchange's data, and to measure how well a model finds
the true map. See ``docs/simulated-market.md`` for what it assumes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from engine.margin import MarginRules
from engine.market import Market
from engine.profiles import LeverageProfile
from engine.simulate_kernel import run
from engine.simulate_ledger import OPEN, Floats, Ints, Records
from engine.simulate_path import (
    BARS_PER_DAY,
    Path,
    SymbolSetting,
    draw_arrivals,
    draw_path,
)
from engine.simulate_world import World, build_world
from engine.tiers import margin_rules
from engine.truth import Liquidations, Positions, first_rows, true_liquidations

__all__ = [
    "EXCHANGES", "INTERVAL", "SYMBOLS", "TRADERS", "WARM_UP", "Liquidations", "SimulatedMarket",
    "simulate_symbol",
]  # fmt: skip

Times = NDArray[np.datetime64]

INTERVAL = timedelta(minutes=5)
WARM_UP = 14 * BARS_PER_DAY
"""Bars before the first one, in which the market fills with traders."""

EXCHANGES = {"binance": 1.0, "bybit": 0.6, "okx": 0.5}
"""Simulated exchanges and their sizes. [-]"""

SYMBOLS = {
    "BTCUSDT": SymbolSetting(92_000.0, 88_000.0, 0.021, ticks=10, lots=1000, open_interest=75e3),
    "ETHUSDT": SymbolSetting(3_400.0, 3_250.0, 0.028, ticks=100, lots=100, open_interest=1.9e6),
    "SOLUSDT": SymbolSetting(180.0, 172.0, 0.033, ticks=100, lots=10, open_interest=8.5e6),
}
"""Simulated symbols."""

TRADERS = LeverageProfile(
    "simulated",
    (2, 3, 4, 5, 8, 12, 20, 25, 30, 50, 100),
    (0.20, 0.24, 0.145, 0.02, 0.005, 0.01, 0.12, 0.15, 0.10, 0.008, 0.002),
)
"""Shares of positions by leverage; an exchange's traders keep to what it allows."""

_TRADERS_PER_BAR = 6.5

_FUNDING_BARS = 96
_FUNDING_REST, _FUNDING_PER_CROWD, _FUNDING_MOST = 5e-5, 6e-4, 7.5e-4


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedMarket:
    """One exchange's market of one symbol, and the truth behind it.

    Attributes
    ----------
    market : Market
        Candles, volumes and open interest as the exchange publishes them.
    funding_time : ndarray of datetime64[us], shape (f,)
        Every 8 hours. [UTC]
    funding_rate : ndarray, shape (f,)
        Paid by longs to shorts. [-]
    liquidations : Liquidations
        Within the bars.
    positions : Positions
        All that were open at some time within the bars.
    unlevered : ndarray, shape (n, 2)
        Open at each bar's end without leverage, longs and shorts: ``market.open_interest`` less
        the traders' positions of that side. [base]
    liquidated : ndarray, shape (n, 2)
        Closed by force in each bar, longs and shorts. [base]
    """

    market: Market
    funding_time: Times
    funding_rate: Floats
    liquidations: Liquidations
    positions: Positions
    unlevered: Floats
    liquidated: Floats


def simulate_symbol(
    symbol: str,
    exchanges: Sequence[str] = tuple(EXCHANGES),
    *,
    start: datetime,
    bars: int,
    seed: int,
    warm_up: int = WARM_UP,
) -> dict[str, SimulatedMarket]:
    """Simulate a symbol's market on several exchanges, which share its price.

    Parameters
    ----------
    symbol : str
        One of `SYMBOLS`.
    exchanges : sequence of str
        Some of `EXCHANGES`, in any order: the result depends on which, not on the order.
    start : datetime
        Opening of the first bar; aware.
    bars : int
        Number of five-minute bars. The first k of them do not depend on how many follow.
    seed : int
        Not negative. The same seed makes the same market.
    warm_up : int
        Bars before ``start`` that are simulated and not returned.

    Returns
    -------
    dict of str to SimulatedMarket
        By exchange.

    Raises
    ------
    ValueError
        If the symbol or an exchange is not simulated, a number is negative, or ``start`` does not
        say its zone.
    """
    names = _checked(symbol, exchanges, bars, seed, warm_up)
    if start.tzinfo is None:
        raise ValueError(f"start must say its zone, but {start} does not")
    setting = SYMBOLS[symbol]
    origin = np.datetime64(start.astimezone(UTC).replace(tzinfo=None), "us") - warm_up * _STEP
    minute = (_minute_of_day(origin) + 5 * np.arange(warm_up + bars)) % 1440
    rules = {name: _rules_at(margin_rules(name, symbol), start) for name in names}
    path = draw_path(symbol, names, setting, minute, seed)
    sizes = np.array([EXCHANGES[name] for name in names])
    per_bar = _TRADERS_PER_BAR * np.sqrt(sizes)
    coming, traders = _arrivals(symbol, rules, per_bar, path, seed)
    world = build_world(setting, path, rules, sizes, per_bar, coming, traders, seed)
    run(world)
    return {
        name: _market(symbol, name, rules[name], world, number, origin, warm_up)
        for number, name in enumerate(names)
    }


_STEP = np.timedelta64(INTERVAL)


def _checked(
    symbol: str, exchanges: Sequence[str], bars: int, seed: int, warm_up: int
) -> tuple[str, ...]:
    if symbol not in SYMBOLS:
        raise ValueError(f"simulated symbols are {', '.join(SYMBOLS)}, not {symbol!r}")
    unknown = [name for name in exchanges if name not in EXCHANGES]
    if unknown or not exchanges:
        raise ValueError(
            f"simulated exchanges are {', '.join(EXCHANGES)}, not {', '.join(unknown) or 'none'}"
        )
    for name, value in {"bars": bars, "seed": seed, "warm_up": warm_up}.items():
        if value < 0:
            raise ValueError(f"{name} must not be negative, but is {value}")
    return tuple(name for name in EXCHANGES if name in exchanges)


def _minute_of_day(time: np.datetime64) -> int:
    return int((time - time.astype("datetime64[D]")) // np.timedelta64(1, "m"))


def _rules_at(dated: tuple[MarginRules, ...], start: datetime) -> MarginRules:
    return next((rules for rules in reversed(dated) if rules.valid_from <= start), dated[0])


def _arrivals(
    symbol: str, rules: dict[str, MarginRules], per_bar: Floats, path: Path, seed: int
) -> tuple[Ints, Records]:
    """Return how many come by step and exchange, and all, one exchange after the other."""
    activity = path.outside["activity"]
    drawn = [
        draw_arrivals((name, symbol), activity, float(rate), TRADERS.up_to(r.max_leverage), seed)
        for (name, r), rate in zip(rules.items(), per_bar, strict=True)
    ]
    counts, traders = zip(*drawn, strict=True)
    return np.stack(counts, axis=1), np.concatenate(traders)


def _market(
    symbol: str,
    exchange: str,
    rules: MarginRules,
    world: World,
    number: int,
    origin: np.datetime64,
    warm_up: int,
) -> SimulatedMarket:
    tape, ticks, lots = world.tape[:, number], world.terms.ticks, world.terms.lots
    begun = origin + warm_up * _STEP
    seen = tape[warm_up:]
    before = tape["open_interest"][warm_up - 1] if warm_up else int(world.size["pool"][number])
    market = Market(
        exchange=exchange,
        symbol=symbol,
        interval=INTERVAL,
        open_time=begun + np.arange(seen.size) * _STEP,
        open=seen["open"] / ticks,
        high=seen["high"] / ticks,
        low=seen["low"] / ticks,
        close=seen["close"] / ticks,
        volume=seen["volume"] / lots,
        quote_volume=seen["quote"] / (ticks * lots),
        taker_buy_volume=seen["taker_bought"] / lots,
        open_interest=seen["open_interest"] / lots,
        initial_open_interest=float(before / lots),
        margin=(rules,),
        crossing_high=seen["high"] / ticks,
        crossing_low=seen["low"] / ticks,
    )
    positions = _positions(world, number, origin)
    positions = positions.where(~(positions.ended < begun))
    funding_time, funding_rate = _funding(origin, tape)
    paid = funding_time >= begun
    return SimulatedMarket(
        market=market,
        funding_time=funding_time[paid],
        funding_rate=funding_rate[paid],
        liquidations=true_liquidations(positions),
        positions=positions,
        unlevered=np.stack([seen["pool_long"], seen["pool_short"]], axis=1) / lots,
        liquidated=np.stack([seen["liquidated_long"], seen["liquidated_short"]], axis=1) / lots,
    )


def _positions(world: World, number: int, origin: np.datetime64) -> Positions:
    ledger = world.desk.ledger[: int(world.desk.used[0])]
    ledger, place = _of_exchange(ledger, number)
    is_open = ledger["reason"] == OPEN
    exit_price = ledger["exit"] / world.terms.ticks
    ended = origin + ledger["ended"].astype("timedelta64[us]")
    continues = place[ledger["continues"]]
    return Positions(
        opened=origin + ledger["opened"].astype("timedelta64[us]"),
        ended=np.where(is_open, np.datetime64("NaT", "us"), ended),
        reason=ledger["reason"].astype(np.int8),
        side=(1 - 2 * ledger["side"]).astype(np.int8),
        quantity=ledger["lots"] / world.terms.lots,
        entry_price=ledger["entry"] / world.terms.ticks,
        exit_price=np.where(is_open, np.nan, exit_price),
        leverage=ledger["leverage"].copy(),
        liquidation_price=ledger["liquidation_price"].copy(),
        continues=continues,
        user=first_rows(continues),
        backing=ledger["backing"].copy(),
    )


def _of_exchange(ledger: Records, number: int) -> tuple[Records, Ints]:
    """Return an exchange's rows, and where among them each row is (-1 for the last, "none")."""
    own = ledger["exchange"] == number
    place = np.where(own, np.cumsum(own) - 1, -1)
    return ledger[own], np.append(place, -1)


def _funding(origin: np.datetime64, tape: Records) -> tuple[Times, Floats]:
    """Return when funding is paid and at which rate: the crowd's side of the last 8 hours pays."""
    open_time = origin + np.arange(tape.size) * _STEP
    since_midnight = open_time - open_time.astype("datetime64[D]")
    on_the_hour = since_midnight % np.timedelta64(8, "h") == np.timedelta64(0, "h")
    (at,) = np.nonzero(on_the_hour & (np.arange(tape.size) > 0))
    crowd = (tape["held_long"] - tape["held_short"]) / np.maximum(tape["open_interest"], 1)
    total = np.append(0.0, np.cumsum(crowd))
    since = np.maximum(at - _FUNDING_BARS, 0)
    mean = (total[at] - total[since]) / (at - since)
    rate = np.clip(_FUNDING_REST + _FUNDING_PER_CROWD * mean, -_FUNDING_MOST, _FUNDING_MOST)
    return open_time[at], np.round(rate, 8)
