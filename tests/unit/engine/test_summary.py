import numpy as np
import pytest
from numpy.testing import assert_allclose

from engine.summary import key_figures, max_pain, risk_edges


def figures(levels):
    """Key figures at a price of 100 of levels ``(side, price, notional)``."""
    edges, active = risk_edges(100.0), np.zeros((2, 2000))
    for side, price, notional in levels:
        active[side, np.searchsorted(edges, price, side="right") - 1] += notional
    return key_figures(active, active, 100.0, 0.5)


def test_the_price_is_an_edge():
    edges = risk_edges(83_217.3)
    assert edges[1000] == 83_217.3
    assert_allclose(edges[990], 83_217.3 * 0.99)


def test_risk_is_summed_within_each_distance():
    found = figures([(0, 99.5, 1), (0, 98.5, 2), (0, 96, 4), (0, 80, 8), (1, 101.5, 16)])
    assert found.at_risk == {0.01: (1.0, 0.0), 0.02: (3.0, 16.0), 0.05: (7.0, 16.0)}
    assert_allclose(found.imbalance, (7 - 16) / (7 + 16))


def test_the_nearest_zones_stand_out_of_what_lies_around_them():
    # An even ground of longs, a small bump at 98.05, a heap at 95.05 and a larger one at 92.05.
    ground = [(0, 99.95 - 0.1 * row, 1.0) for row in range(150)]
    found = figures([*ground, (0, 98.05, 0.5), (0, 95.05, 20.0), (0, 92.05, 60.0)])
    assert found.below.price == pytest.approx(95.05)
    assert found.below.low < 95.0 < 95.1 < found.below.high
    assert found.below.total == pytest.approx(
        20.0 + round((found.below.high - found.below.low) / 0.1)
    )
    assert found.above is None


def test_zones_are_found_in_what_lasts_and_their_amounts_are_of_all():
    edges, active, lasting = risk_edges(100.0), np.zeros((2, 2000)), np.zeros((2, 2000))
    active[1, 1005:1150] = 1.0
    active[1, 1010] = 500.0  # gone by tomorrow
    active[1, 1060] = 50.0
    lasting[1, 1005:1150] = 0.1
    lasting[1, 1060] = 40.0
    found = key_figures(active, lasting, 100.0, 0.5)
    assert edges[1060] <= found.above.price < edges[1061]
    assert found.above.total >= 50.0


def test_an_even_map_has_no_zones():
    found = figures([(0, 99.95 - 0.1 * row, 1.0) for row in range(150)])
    assert (found.above, found.below) == (None, None)


def test_no_levels_have_no_zones():
    found = figures([])
    assert (found.above, found.below, found.long_max_pain) == (None, None, None)
    assert found.imbalance == 0.0


def test_levels_on_the_wrong_side_of_the_price_are_not_at_risk():
    # Born in the last bar with a price that its own wick has passed.
    assert figures([(0, 101.0, 5)]).at_risk[0.05] == (0.0, 0.0)


def test_max_pain_is_the_fullest_bucket_on_each_side_at_any_distance():
    levels = [(0, 99.05, 3), (0, 60.05, 5), (0, 150.0, 9), (1, 101.05, 2), (1, 180.05, 4)]
    edges, active = risk_edges(100.0), np.zeros((2, 2000))
    for side, price, notional in levels:
        active[side, np.searchsorted(edges, price, side="right") - 1] += notional
    longs, shorts = max_pain(active, 100.0)
    assert (longs.price, longs.notional) == (pytest.approx(60.05), 5.0)
    assert (shorts.price, shorts.notional) == (pytest.approx(180.05), 4.0)
    assert max_pain(np.zeros((2, 2000)), 100.0) == (None, None)
