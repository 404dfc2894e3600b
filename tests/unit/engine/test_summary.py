import numpy as np
import pytest
from numpy.testing import assert_allclose

from engine.summary import key_figures


def figures(price, notional, side):
    return key_figures(
        np.array(price, float), np.array(notional, float), np.array(side, np.int8), 100.0, 0.5
    )


def test_risk_is_summed_within_each_distance():
    found = figures([99.5, 98.5, 96, 80, 101.5], [1, 2, 4, 8, 16], [0, 0, 0, 0, 1])
    assert found.at_risk == {0.01: (1.0, 0.0), 0.02: (3.0, 16.0), 0.05: (7.0, 16.0)}
    assert_allclose(found.imbalance, (7 - 16) / (7 + 16))


def test_clusters_are_the_nearest_strong_buckets():
    # 99.95 is nearer but holds less than half of what 97.05 does.
    found = figures([99.95, 97.05, 90.05, 103.05], [1, 10, 12, 5], [0, 0, 0, 1])
    assert found.below.price == pytest.approx(97.05)
    assert found.below.notional == 10.0
    assert found.below.distance == pytest.approx(-0.0295)
    assert found.above.price == pytest.approx(103.05)
    assert found.long_max_pain == pytest.approx(90.05)


def test_no_levels_have_no_clusters():
    found = figures([], [], [])
    assert (found.above, found.below, found.long_max_pain) == (None, None, None)
    assert found.imbalance == 0.0


def test_levels_on_the_wrong_side_of_the_price_are_not_at_risk():
    # Born in the last bar with a price that its own wick has passed.
    assert figures([101.0], [5.0], [0]).at_risk[0.05] == (0.0, 0.0)
