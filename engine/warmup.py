"""Compiling the kernels ahead of the first reader."""

from datetime import timedelta

import numpy as np

from engine.book import build_book
from engine.heatmap import rasterise
from engine.market import Market
from engine.models import MODELS
from engine.tiers import margin_rules


def compile_kernels() -> None:
    """Compile what maps are computed with, or load it where an earlier run has compiled it.

    Takes seconds once per installation; run it in a thread of its own.
    """
    two, unknown = np.ones(2), np.full(2, np.nan)
    start = np.datetime64("2000-01-01", "us")
    market = Market(
        exchange="binance",
        symbol="BTCUSDT",
        interval=timedelta(minutes=1),
        open_time=start + np.arange(2) * np.timedelta64(1, "m"),
        open=two,
        high=two,
        low=two,
        close=two,
        volume=two,
        quote_volume=unknown,
        taker_buy_volume=unknown,
        open_interest=np.array([1.0, 2.0]),
        initial_open_interest=1.0,
        margin=margin_rules("binance", "BTCUSDT"),
        crossing_high=two,
        crossing_low=two,
    )
    for model in MODELS.values():
        times = np.append(market.open_time, market.open_time[-1] + np.timedelta64(1, "m"))
        rasterise(build_book(market, model.parameters), times, np.array([0.5, 1.0, 1.5]))
