"""What happens to the simulated market from outside: news, activity, and who comes to trade.

Everything here is drawn before the traders meet. Each quantity has a random stream of its own,
named by what it is, so a longer market begins with exactly the shorter one, and an exchange's
traders don't depend on which other exchanges take part.
"""

from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numba import njit
from numpy.typing import NDArray

from engine.profiles import LeverageProfile
from engine.simulate_ledger import CROSS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STEPS_PER_BAR = 10
BARS_PER_DAY = 288
STEPS_PER_DAY = STEPS_PER_BAR * BARS_PER_DAY

BASIS = 2e-4
"""Typical distance of an exchange's price from the common one. [-]"""

_SHOCK_EVERY = 8 * BARS_PER_DAY
_SHOCK_CALMS = 4 * 12  # bars until the excitement after a shock has fallen to 1/e
_LARGEST_ACTIVITY = 8.0
_FASHION_DAYS, _FASHION_HOURS = 0.45, 0.45  # spread of what `_fashion` returns
_STIRRED = 0.8  # share of the volume between market makers that comes with moves


@dataclass(frozen=True, slots=True)
class SymbolSetting:
    """How one symbol trades.

    Attributes
    ----------
    price : float
        First price. [quote]
    middle : float
        Price to which the market returns over months. [quote]
    volatility : float
        Standard deviation of an ordinary day's return. [-]
    ticks : int
        Price steps in one unit of quote.
    lots : int
        Smallest quantities in one unit of base.
    open_interest : float
        On an exchange of size 1, one side counted. [base]
    """

    price: float
    middle: float
    volatility: float
    ticks: int
    lots: int
    open_interest: float


OUTSIDE = np.dtype([("move", "f8"), ("activity", "f8"), ("excitement", "f8"), ("mood", "f8")])
"""What comes from outside in a step, for all exchanges.

``move`` changes the logarithm of the price, ``activity`` is how busy traders are and
``excitement`` how volatile the market is, both around 1; ``mood`` is how far the share of openings
that are long leaves one half, apart from trends. [-]
"""

VENUE = np.dtype([("basis", "f8"), ("noise", "f8"), ("noise_bought", "f8"), ("hedging", "f8")])
"""What comes from outside in a step on one exchange.

``basis`` is the logarithm of its price over the common one, ``noise`` the volume between market
makers, around 1, ``noise_bought`` the share of it that takers buy, ``hedging`` the wish of
unlevered holders for positions, around 1. [-]
"""


class Path(NamedTuple):
    """What comes from outside: of OUTSIDE, shape (steps,); of VENUE, shape (steps, exchanges)."""

    outside: NDArray[np.void]
    venue: NDArray[np.void]


ARRIVAL = np.dtype(
    [
        ("leverage", "f8"),
        ("size", "f8"),  # over the mean position's
        ("horizon", "i8"),  # index of `HORIZON_STEPS`
        ("side", "f8"),  # long where below the long share of the moment
        ("habit", "i8"),  # as in `engine.simulate_ledger`
        ("backing", "f8"),  # account's collateral over the position's margin; 1 unless cross
        ("takes", "i8"),  # whether they open at the market, or wait in the order book
    ]
)
"""A trader who comes to open a position."""

_HABIT_SHARES = (0.52, 0.38, 0.10)  # isolated, cross, defends
_BACKING = (2.0, 6.0)  # least and most of those with cross margin

HORIZON_STEPS = np.array([8.0, 60.0, 288.0]) * STEPS_PER_DAY / 24.0
"""Mean time to a voluntary close of the quick, the patient and the lasting, in steps."""

_HORIZON_SHARES = {"low": (0.35, 0.40, 0.25), "high": (0.60, 0.30, 0.10)}
_HIGH_LEVERAGE = 20.0
_SIZE_SPREAD = 1.5
_LARGEST_SIZE = 3.0  # standard deviations of the logarithm
_TAKER_SHARE = 0.65
# Traders crowd into a busy market: they come in proportion to this power of its activity.
_RUSH, _RUSH_MEAN = 1.7, 2.0
# A market starts empty of traders; more come at first so that it fills within the warm-up.
_FILLING, _FILLING_BARS = 2.5, 2 * BARS_PER_DAY


def stream(seed: int, *names: object) -> np.random.Generator:
    """Return the random stream of this name; other names' streams are independent of it."""
    key = tuple(crc32(str(name).encode()) for name in names)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def draw_path(
    symbol: str, exchanges: tuple[str, ...], setting: SymbolSetting, minute: Ints, seed: int
) -> Path:
    """Draw what comes from outside over the bars that open at ``minute`` of the UTC day [min]."""
    bars = minute.size
    season = _season(minute / 60.0)
    calm, shock = _shocks(seed, bars)
    heat = _heat(seed, bars)
    excitement = np.exp(heat + calm) * season**0.4
    busy = np.exp(1.3 * heat + 0.9 * calm + _fashion(seed, bars))
    activity = np.minimum(season * busy, _LARGEST_ACTIVITY)
    news = _news(symbol, seed, bars)
    scale = setting.volatility / np.sqrt(STEPS_PER_DAY)
    drift = _drift(symbol, seed, bars) * setting.volatility / BARS_PER_DAY
    beta = setting.volatility / 0.021
    outside = np.empty(bars * STEPS_PER_BAR, OUTSIDE)
    trend = (drift + beta * shock)[:, None] / STEPS_PER_BAR
    outside["move"] = (scale * excitement[:, None] * news + trend).ravel()
    outside["activity"] = np.repeat(activity, STEPS_PER_BAR)
    outside["excitement"] = np.repeat(excitement, STEPS_PER_BAR)
    mood = _wander(stream(seed, symbol, "mood"), bars, 1.5 * BARS_PER_DAY, 0.05)
    outside["mood"] = np.repeat(mood, STEPS_PER_BAR)
    venues = [_venue(symbol, exchange, seed, news) for exchange in exchanges]
    return Path(outside, np.stack(venues, axis=1))


def draw_arrivals(
    market: tuple[str, str], activity: Floats, per_bar: float, profile: LeverageProfile, seed: int
) -> tuple[Ints, NDArray[np.void]]:
    """Draw who comes to ``(exchange, symbol)``: ``per_bar`` traders a bar, roughly.

    Returns
    -------
    ndarray of int64, shape (steps,)
        How many come in each step.
    ndarray of ARRIVAL, shape (k,)
        They, in order.
    """
    exchange, symbol = market

    def draw(name: str) -> np.random.Generator:
        return stream(seed, symbol, exchange, name)

    bar = np.arange(activity.size) // STEPS_PER_BAR
    filling = 1.0 + _FILLING * np.exp(-bar / _FILLING_BARS)
    rush = activity**_RUSH / _RUSH_MEAN
    count = draw("count").poisson(per_bar / STEPS_PER_BAR * rush * filling)
    traders = np.empty(int(count.sum()), ARRIVAL)
    chosen = _index(profile.weight, draw("leverage").random(traders.size))
    traders["leverage"] = np.asarray(profile.leverage, float)[chosen]
    stay = draw("horizon").random(traders.size)
    low, high = (_index(_HORIZON_SHARES[name], stay) for name in ("low", "high"))
    traders["horizon"] = np.where(traders["leverage"] < _HIGH_LEVERAGE, low, high)
    spread = draw("size").standard_normal(traders.size)
    spread = np.clip(spread, -_LARGEST_SIZE, _LARGEST_SIZE)
    traders["size"] = np.exp(_SIZE_SPREAD * spread - 0.5 * _SIZE_SPREAD**2)
    traders["side"] = draw("side").random(traders.size)
    traders["habit"] = _index(_HABIT_SHARES, draw("habit").random(traders.size))
    backing = draw("backing").uniform(*_BACKING, traders.size)
    traders["backing"] = np.where(traders["habit"] == CROSS, backing, 1.0)
    traders["takes"] = draw("takes").random(traders.size) < _TAKER_SHARE
    return count, traders


@njit(cache=True, nogil=True)
def follow(start: float, shock: Floats, persistence: float) -> Floats:
    """Return the first-order autoregression of ``shock`` from ``start``."""
    out = np.empty(shock.size)
    level = start
    for i in range(shock.size):
        level = persistence * level + shock[i]
        out[i] = level
    return out


def _wander(rng: np.random.Generator, size: int, lasting: float, spread: float) -> Floats:
    """Return a stationary wandering around 0 that forgets in ``lasting`` steps."""
    persistence = float(np.exp(-1.0 / lasting))
    shock = rng.standard_normal(size + 1) * spread
    step = np.sqrt(1.0 - persistence**2)
    return follow(float(shock[0]), shock[1:] * step, persistence)


def _season(hour: Floats) -> Floats:
    """Return activity by hour of the UTC day: quiet nights, a peak as New York opens."""

    def bump(at: float, width: float) -> Floats:
        away = (hour - at + 12.0) % 24.0 - 12.0
        height: Floats = np.exp(-0.5 * (away / width) ** 2)
        return height

    return 0.68 + 1.55 * bump(15.2, 1.9) + 0.22 * bump(0.5, 1.2) + 0.12 * bump(8.0, 1.5)


def _heat(seed: int, bars: int) -> Floats:
    """Return the logarithm of the market's volatility over its mean: days, hours and minutes."""
    days = _wander(stream(seed, "heat", "days"), bars, 2.5 * BARS_PER_DAY, 0.30)
    hours = _wander(stream(seed, "heat", "hours"), bars, 30.0, 0.28)
    minutes = _wander(stream(seed, "heat", "minutes"), bars, 1.5, 0.28)
    return days + hours + minutes - 0.12


def _fashion(seed: int, bars: int) -> Floats:
    """Return the logarithm of activity that volatility does not explain: days and hours."""
    days = _wander(stream(seed, "fashion", "days"), bars, 1.5 * BARS_PER_DAY, _FASHION_DAYS)
    hours = _wander(stream(seed, "fashion", "hours"), bars, 4.0 * 12.0, _FASHION_HOURS)
    # The exponential's mean is 1.
    return days + hours - 0.5 * (_FASHION_DAYS**2 + _FASHION_HOURS**2)


def _shocks(seed: int, bars: int) -> tuple[Floats, Floats]:
    """Return, by bar, the excitement that shocks bring (logarithm), and their move."""
    calm, move = np.zeros(bars), np.zeros(bars)
    for first in range(0, bars, _SHOCK_EVERY):
        rng = stream(seed, "shock", first)
        start = first + int(rng.uniform(0.1, 0.85) * _SHOCK_EVERY)
        length = int(rng.uniform(4, 30))
        falls = rng.random() < 0.65
        size = -rng.uniform(0.022, 0.045) if falls else rng.uniform(0.015, 0.035)
        shape = np.exp(-np.arange(length) / (0.4 * length)) * rng.uniform(0.4, 1.6, length)
        after = np.arange(max(bars - start, 0))
        calm[start:] += 0.9 * np.exp(-after / _SHOCK_CALMS)
        move[start : start + length] += (size * shape / shape.sum())[: after.size]
    return calm, move


def _news(symbol: str, seed: int, bars: int) -> Floats:
    """Return unit shocks of each step, shape (bars, steps); symbols share most of them."""
    shape = (bars, STEPS_PER_BAR)
    common = stream(seed, "news").standard_t(5, shape)
    own = stream(seed, symbol, "news").standard_t(5, shape)
    # A t variable of 5 degrees of freedom has a variance of 5/3.
    unit: Floats = (np.sqrt(0.7) * common + np.sqrt(0.3) * own) / np.sqrt(5.0 / 3.0)
    return unit


def _drift(symbol: str, seed: int, bars: int) -> Floats:
    """Return the trend [daily standard deviations a day]."""
    common = _wander(stream(seed, "drift"), bars, 2.5 * BARS_PER_DAY, 0.38)
    own = _wander(stream(seed, symbol, "drift"), bars, 3.0 * BARS_PER_DAY, 0.25)
    return common + own


def _venue(symbol: str, exchange: str, seed: int, news: Floats) -> NDArray[np.void]:
    def draw(name: str) -> np.random.Generator:
        return stream(seed, symbol, exchange, name)

    bars, steps = news.shape[0], news.size
    busy = np.exp(_wander(draw("noise bars"), bars, 3.0, 0.20)) * _stir(news)
    lean = 0.30 * np.tanh(news.ravel()) + 0.22 * draw("noise side").standard_normal(steps)
    hedging = np.exp(_wander(draw("hedging"), bars, 4.0 * BARS_PER_DAY, 0.09))
    venue = np.empty(steps, VENUE)
    venue["basis"] = _wander(draw("basis"), steps, 40.0, BASIS)
    noise = np.exp(0.5 * draw("noise").standard_normal(steps) - 0.145)
    venue["noise"] = noise * np.repeat(busy, STEPS_PER_BAR)
    venue["noise_bought"] = np.clip(0.5 + lean, 0.02, 0.98)
    venue["hedging"] = np.repeat(hedging, STEPS_PER_BAR)
    return venue


def _stir(news: Floats) -> Floats:
    """Return how far the news of each bar, shape (bars, steps), stir makers, around 1."""
    move = np.abs(news.sum(axis=1)) / np.sqrt(STEPS_PER_BAR)
    stirred: Floats = 1.0 - _STIRRED + _STIRRED * move / 0.78  # its mean
    return stirred


def _index(shares: tuple[float, ...], uniform: Floats) -> Ints:
    """Return which share of the unit interval each number falls in."""
    bounds = np.cumsum(shares)[:-1]
    return np.searchsorted(bounds, uniform, side="right")
