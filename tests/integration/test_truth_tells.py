"""The simulated truth knows more of single positions than a model, and a model than geometry."""

from datetime import UTC, datetime

import numpy as np
import pytest

from engine.models import MODELS
from engine.simulate import simulate_symbol
from engine.truth import true_map

START = datetime(2025, 12, 2, tzinfo=UTC)
BARS, WARM_UP, EVERY = 40 * 288, 10 * 288, 144
STEP = np.timedelta64(5, "m")
CELLS = np.linspace(0.8, 1.2, 134)  # price over the last one


def histogram(price, side, weight):
    """Return notional by side and cell, smoothed over neighbours."""
    shown = np.stack(
        [np.histogram(price[side == s], CELLS, weights=weight[side == s])[0] for s in (0, 1)]
    )
    return np.apply_along_axis(np.convolve, 1, shown, [0.25, 0.5, 0.25], "same")


def percentile(maps, held, at):
    """Return where the map at a position stands among the same map's other days there, in %."""
    found = []
    for n, (side, cell) in enumerate(held):
        others = maps[np.abs(at - at[n]) >= 288][:, side, cell]
        own = maps[n, side, cell]
        found.append(np.mean(others < own, axis=0) + 0.5 * np.mean(others == own, axis=0))
    return 100.0 * float(np.concatenate(found).mean())


@pytest.mark.parametrize(("symbol", "seed"), [("BTCUSDT", 13), ("ETHUSDT", 3)])
def test_truth_beats_a_model_and_a_model_beats_geometry_at_the_same_distance(symbol, seed):
    one = simulate_symbol(symbol, ["binance"], start=START, bars=BARS, seed=seed)["binance"]
    market, positions = one.market, one.positions
    book = MODELS["turnover"].build_book(market)
    at = np.arange(WARM_UP, BARS, EVERY)
    shown = np.random.default_rng(seed).random(positions.user.max() + 1) < 0.5
    maps, held = {"truth": [], "turnover": [], "geometry": []}, []
    for bar in at:
        close, end = market.close[bar], market.open_time[bar] + STEP
        edges = CELLS * close
        others = positions.where(shown[positions.user])
        true = true_map(others, np.array([end - STEP, end]), edges)[:, :, 0]
        maps["truth"].append(np.apply_along_axis(np.convolve, 1, true, [0.25, 0.5, 0.25], "same"))
        levels = book.until(market.open_time[bar]).open_levels()
        away = levels.price / close
        maps["turnover"].append(histogram(away, levels.side, levels.size))
        maps["geometry"].append(histogram(away, levels.side, np.ones(away.size)))
        own = positions.where(~shown[positions.user]).open_at(end)
        away = own.liquidation_price / close
        inside = (away >= CELLS[0]) & (away < CELLS[-1])
        cell = np.searchsorted(CELLS, away[inside], side="right") - 1
        held.append((np.where(own.side[inside] > 0, 0, 1), cell))
    found = {name: percentile(np.array(these), held, at) for name, these in maps.items()}
    assert found["truth"] > found["turnover"] + 2.0
    assert found["turnover"] > found["geometry"] + 1.0
