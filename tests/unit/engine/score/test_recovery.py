import numpy as np
import pytest

from engine.score import recover
from engine.score.positions import map_cells
from engine.score.sampling import Moments
from tests.scored import at, liquidations

DAYS = 12
HOURS = Moments(np.array([at(hour) for hour in range(24 * DAYS)]), np.full(24 * DAYS, 100.0))
# In each hour all lies in one band of 1 % at its own distance from the price, below and above it.
BAND = np.random.default_rng(1).uniform(0.02, 0.3, 24 * DAYS)


def at_band(moments, offsets, by=0.0):
    hour = np.searchsorted(HOURS.time, moments.time)
    middle = np.abs(offsets[:-1] + offsets[1:]) / 2
    near = np.abs(middle - (BAND[hour] + by)[:, None]) < 0.005
    return np.broadcast_to(near + 1e-3, (2, *near.shape))


def even(moments, offsets):
    return np.ones((2, len(moments), offsets.size - 1))


def farther(moments, offsets):
    return at_band(moments, offsets, by=0.05)


@pytest.fixture(scope="module")
def real():
    """Return a long liquidation in the middle of each hour's band."""
    return liquidations(*((at(h + 0.5), 1, 100 * (1 - BAND[h]), 1) for h in range(24 * DAYS)))


def test_the_truth_is_found_entirely(real):
    found = recover(at_band, at_band, HOURS, real)
    assert (found.moments, found.liquidations) == (24 * DAYS, 24 * DAYS)
    assert found.distance == pytest.approx(0.0, abs=1e-12)
    assert found.rank_correlation == pytest.approx(1.0)
    assert found.hottest.value > 0.95


def test_a_map_that_is_5_percent_off_is_5_percent_away(real):
    found = recover(farther, at_band, HOURS, real)
    # But for the thousandth that lies everywhere.
    held, true = map_cells(farther, HOURS), map_cells(at_band, HOURS)
    moved = held[0].argmax(axis=1) - true[0].argmax(axis=1)
    assert np.all(np.abs(moved * 0.0025 - 0.05) < 0.003)
    assert found.distance == pytest.approx(0.05, rel=0.1)
    assert found.hottest.high < 0.2


def test_an_even_map_finds_nothing(real):
    found = recover(even, at_band, HOURS, real)
    assert np.isnan(found.rank_correlation)
    assert found.hottest.value == 0.0


def test_without_liquidations_within_reach_there_is_no_recovery():
    with pytest.raises(ValueError, match="there must be liquidations"):
        recover(even, at_band, HOURS, liquidations((at(1), 1, 10.0, 1)))
