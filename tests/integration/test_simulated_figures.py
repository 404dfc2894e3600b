"""The simulated market resembles real ones in what both tell."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks.simulated import (
    BARS_A_DAY,
    START,
    liquidated,
    recorded_figures,
    simulated_figures,
    traded,
)
from engine.simulate import simulate_symbol
from tests.real_markets import DATA

RATIOS = {  # simulated over real, least and most
    "volume a day / open interest": (0.7, 1.1),
    "changes of open interest / volume": (0.9, 1.3),
    "least open interest / median": (0.9, 1.1),
    "most open interest / median": (0.9, 1.3),
    "returns, standard deviation": (0.85, 1.15),
    "returns, kurtosis": (0.5, 1.5),
    "size of returns with volume, correlation": (0.85, 1.15),
    "volume of 4 h, spread of logarithms": (0.85, 1.15),
    "volume of a day, spread of logarithms": (0.8, 1.2),
    "liquidated a day / open interest, mean": (0.5, 2.5),
}


def test_figures_of_bars_are_what_they_say():
    close = np.resize([100.0, 101.0, 101.0], 2 * BARS_A_DAY)
    volume = np.repeat([1.0, np.e], BARS_A_DAY)
    interest = np.resize([100.0, 101.0], 2 * BARS_A_DAY)
    found = traded(close, volume, interest)
    # Days of 288 and 288 e over 100.5.
    assert_allclose(found["volume a day / open interest"], 144 * (1 + np.e) / 100.5)
    # Every bar but the first changes it by 1; volume sums to 287 and 288 e.
    assert_allclose(found["changes of open interest / volume"], 575 / (287 + 288 * np.e))
    # Up, stay and down by ln 1.01 in turn.
    assert_allclose(found["returns, standard deviation"], np.log(1.01) * np.sqrt(2 / 3), rtol=1e-3)
    assert_allclose(found["returns, kurtosis"], 1.5, rtol=1e-2)
    assert_allclose(found["volume of a day, spread of logarithms"], 0.5)
    shares = liquidated(np.array([1.0, 2.0, 6.0]), np.array([100.0, 100.0, 100.0]))
    assert_allclose(list(shares.values()), [0.02, 0.03, 0.06])


@pytest.mark.skipif(not DATA.is_dir(), reason=f"needs recorded markets in {DATA}")
@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_simulated_figures_are_close_to_recorded_ones(coin):
    real = recorded_figures(DATA, coin)
    made = simulate_symbol(f"{coin}USDT", start=START, bars=60 * BARS_A_DAY, seed=13)
    simulated = simulated_figures(made["binance"])
    ratios = {name: simulated[name] / real[name] for name in RATIOS}
    outside = {n: r for n, r in ratios.items() if not RATIOS[n][0] < r < RATIOS[n][1]}
    assert not outside
