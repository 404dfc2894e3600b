"""Stored markets whose liquidations follow a model's map, and how to shift them."""

from datetime import UTC, datetime, timedelta

import numpy as np

from app.scores import Scores
from engine.models import MODELS
from ingest.store import Store

START = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=30)
DAYS = 60
STOP = START + timedelta(days=DAYS)
REPORTED = 0.1
"""Mean of reported over modelled notional."""


def add_bars(store, exchange="binance", symbol="BTCUSDT", *, days=DAYS, seed=1, only=slice(None)):
    """Store a market whose price, volume and open interest wander."""
    rng = np.random.default_rng(seed)
    bars = days * (timedelta(days=1) // STEP)
    close = 50_000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.005, bars)))
    opens = np.concatenate(([50_000.0], close[:-1]))
    volume = 20.0 * np.exp(np.cumsum(rng.normal(0.0, 0.15, bars)) % 3.0 - 1.0)
    interest = 5000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.005, bars)))
    time = np.datetime64(START.replace(tzinfo=None), "us") + np.arange(bars) * np.timedelta64(STEP)
    columns = {
        "open_time": time,
        "open": opens,
        "high": np.maximum(opens, close) * (1.0 + rng.exponential(0.002, bars)),
        "low": np.minimum(opens, close) * (1.0 - rng.exponential(0.002, bars)),
        "close": close,
        "volume": volume,
        "quote_volume": volume * close,
        "taker_buy_volume": volume * 0.5,
    }
    market = {"exchange": exchange, "symbol": symbol}
    store.add_candles(
        market | {"interval": STEP} | {name: column[only] for name, column in columns.items()}
    )
    samples = {"time": time + np.timedelta64(STEP), "open_interest": interest}
    store.add_open_interest(market | {name: column[only] for name, column in samples.items()})


def add_liquidations(store, exchange="binance", symbol="BTCUSDT", *, model="turnover", later=0.0):
    """Store liquidations in each bar that a model's levels lose something in, ``later`` days on."""
    scores = Scores(store, warmup_days=3650)
    (coverage,) = scores.markets(symbol, [exchange])
    market = scores.load(coverage, START, None).market
    crossed = MODELS[model].build_book(market).crossed()
    side, bar = np.nonzero(crossed > crossed.mean() / 1e3)
    price = np.where(side == 0, market.low[bar], market.high[bar])
    noise = np.random.default_rng(3).gamma(10.0, REPORTED / 10.0, bar.size)
    minutes = round(later * 1440) + 1
    store.add_liquidations(
        {
            "exchange": exchange,
            "symbol": symbol,
            "time": market.open_time[bar] + np.timedelta64(minutes, "m"),
            "side": (1 - 2 * side).astype(np.int8),
            "quantity": crossed[side, bar] * noise / price,
            "price": price,
        }
    )


def known_store(path=":memory:", **changes):
    """Return a database of one market whose liquidations follow the model's map."""
    store = Store.open(path)
    add_bars(store)
    add_liquidations(store, **changes)
    return store
