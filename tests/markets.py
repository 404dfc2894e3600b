"""Markets for tests."""

from datetime import timedelta

import numpy as np
from hypothesis import strategies as st

from engine.margin import LeverageTier, MarginRules
from engine.market import Market
from engine.parameters import Parameters
from engine.profiles import PROFILES, parse_profile

START = np.datetime64("2026-01-01T00:00", "us")
STEP = timedelta(minutes=5)
RULES = MarginRules((LeverageTier(0.0, 1e12, 150.0, 0.004),))


def market(
    candles,
    open_interest,
    *,
    initial=100.0,
    volume=10.0,
    taker_buy=None,
    missing=(),
    rules=(RULES,),
    **replaced,
):
    """Return a market of ``(open, high, low, close)`` candles, without the bars in ``missing``."""
    rows = np.array(candles, dtype=float).reshape(-1, 4)
    count = len(rows)
    kept = np.setdiff1d(np.arange(count), missing).astype(int)
    unknown = np.full(count, np.nan)
    columns = {
        "open_time": START + np.arange(count) * np.timedelta64(STEP),
        "open": rows[:, 0],
        "high": rows[:, 1],
        "low": rows[:, 2],
        "close": rows[:, 3],
        "volume": np.broadcast_to(np.asarray(volume, float), count).copy(),
        "quote_volume": unknown,
        "taker_buy_volume": unknown if taker_buy is None else np.asarray(taker_buy, float),
        "open_interest": np.asarray(open_interest, float),
        "crossing_high": rows[:, 1],
        "crossing_low": rows[:, 2],
    } | replaced
    return Market(
        exchange="binance",
        symbol="BTCUSDT",
        interval=STEP,
        initial_open_interest=initial,
        margin=rules,
        **{name: column[kept] for name, column in columns.items()},
    )


def part(whole, start, stop):
    """Return bars ``start <= bar < stop`` of a market; open interest before them is unknown."""
    prices = ["open", "high", "low", "close", "crossing_high", "crossing_low"]
    columns = ["open_time", *prices, "volume", "quote_volume", "taker_buy_volume", "open_interest"]
    funding = whole.funding
    return Market(
        funding=None if funding is None else funding[start:stop],
        exchange=whole.exchange,
        symbol=whole.symbol,
        interval=whole.interval,
        initial_open_interest=whole.initial_open_interest,
        margin=whole.margin,
        **{name: getattr(whole, name)[start:stop] for name in columns},
    )


@st.composite
def markets(draw, max_bars=60, with_gaps=True):
    """Draw wild markets: jumps, wicks, open interest that falls to nothing, holes."""
    bars = draw(st.integers(0, max_bars))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    wildness = draw(st.sampled_from([0.001, 0.01, 0.08]))
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, wildness, bars)))
    opens = np.concatenate(([100.0], close[:-1]))[:bars]
    opens = np.where(rng.random(bars) < 0.1, close, opens)  # doji, and a gap before it
    high = np.maximum(opens, close) * (1 + rng.exponential(wildness / 2, bars))
    low = np.minimum(opens, close) * (1 - np.minimum(rng.exponential(wildness / 2, bars), 0.5))
    swing = draw(st.sampled_from([0.01, 0.3, 3.0]))
    interest = 100.0 * np.exp(np.cumsum(rng.normal(0.0, swing, bars)))
    interest[rng.random(bars) < 0.03] = 0.0
    if with_gaps:
        interest[rng.random(bars) < 0.08] = np.nan
    volume = rng.gamma(1.0, 1.0, bars) * draw(st.sampled_from([0.0, 5.0, 300.0]))
    missing = np.flatnonzero(rng.random(bars) < 0.05) if with_gaps else ()
    return market(
        np.stack((opens, high, low, close), axis=1),
        interest,
        initial=draw(st.sampled_from([0.0, 100.0])),
        volume=volume,
        taker_buy=volume * rng.random(bars),
        quote_volume=volume * (high + low) / 2,
        missing=missing,
        funding=rng.normal(0.0, 1e-3, bars) * (rng.random(bars) < 0.2),
    )


_COMMON = {
    "turnover": st.sampled_from([0.0, 0.2, 1.0]),
    "side_rule": st.sampled_from(["candle", "taker", "symmetric", "funding"]),
    "entry": st.sampled_from(["close", "hlc3", "vwap", "spread", "auto"]),
    "funding": st.booleans(),
    "profile": st.sampled_from([*PROFILES.values(), parse_profile("2:1,100:1")]),
}


def parameters(closings=("proportional", "nearest", "none")):
    """Draw assumptions of every kind; several speeds only where ``proportional`` is drawn from."""
    one = st.builds(Parameters, closing=st.sampled_from(closings), **_COMMON)
    drawn = one | several_speeds_only() if "proportional" in closings else one
    return drawn | openings_only() if "none" in closings else drawn


def openings_only():
    """Draw assumptions that do not follow open interest."""
    return st.builds(
        Parameters,
        closing=st.just("none"),
        opening=st.sampled_from(["rises", "volume", "bursts"]),
        maintenance=st.booleans(),
        **_COMMON,
    )


def several_speeds_only():
    """Draw assumptions with a fast and a slow kind of holders, or a kind a leverage."""
    return st.builds(
        Parameters,
        speeds=st.sampled_from(["two", "layered"]),
        slow_of_net=st.sampled_from([0.0, 0.5, 1.0]),
        slow_of_turnover=st.sampled_from([0.03, 0.4]),
        speed_ratio=st.sampled_from([0.01, 0.3, 1.0]),
        layering=st.sampled_from([0.0, 1.0]),
        **_COMMON,
    )
