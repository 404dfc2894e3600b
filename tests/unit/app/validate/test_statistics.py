import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.validate.statistics import effective_count, paired_difference, rank_correlation, wilson


@pytest.mark.parametrize(
    ("share", "count", "low", "high"),
    [
        # (0.1 + 3.8415/60 ∓ 1.96 √(0.09/30 + 3.8415/3600)) / (1 + 3.8415/30)
        (0.1, 30, 0.0346, 0.2562),
        (0.5, 100, 0.4038, 0.5962),  # (0.5 + 0.019207 ∓ 0.099901) / 1.038415
        (0.0, 10, 0.0, 0.2775),  # 3.8415 / 13.8415
        (1.0, 10, 0.7225, 1.0),
    ],
)
def test_wilsons_interval(share, count, low, high):
    assert wilson(share, count) == pytest.approx((low, high), abs=1e-4)


@given(st.floats(0, 1), st.floats(1, 1e6))
def test_an_interval_holds_its_share_within_0_to_1(share, count):
    low, high = wilson(share, count)
    assert 0.0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1.0


def test_the_interval_of_a_paired_difference():
    # 5.5 and 1.5 of 42: (4 ∓ 1.96 √(7 − 16/42)) / 42
    assert paired_difference(5, 1, 40) == pytest.approx((-0.0248, 0.2153), abs=1e-4)
    low, high = paired_difference(0, 0, 40)
    assert low == pytest.approx(-high)
    assert high == pytest.approx(1.96 / 42, abs=1e-4)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 500))
def test_a_paired_difference_is_the_other_one_reversed(first, second, others):
    count = first + second + others + 1
    low, high = paired_difference(first, second, count)
    assert paired_difference(second, first, count) == pytest.approx((-high, -low))
    assert -1.0 <= low <= high <= 1.0


def test_equal_weights_count_fully_and_one_that_outweighs_all_counts_as_one():
    assert effective_count(np.full(7, 3.0)) == pytest.approx(7.0)
    assert effective_count(np.array([1e9, 1.0, 1.0])) == pytest.approx(1.0)


def test_rank_correlation_by_hand():
    # Ranks 1 2 3 4 and 2 1 4 3: 1 − 6 (1 + 1 + 1 + 1) / (4 · 15) = 0.6
    first, second = np.array([1.0, 2.0, 3.0, 4.0]), np.array([20.0, 10.0, 400.0, 30.0])
    assert rank_correlation(first, second) == pytest.approx(0.6)
    # Ranks 1.5 1.5 3 and 1 2 3: covariance 1.5, variances 1.5 and 2: 1.5 / √3
    tied = rank_correlation(np.array([0.0, 0.0, 9.0]), np.array([1.0, 2.0, 3.0]))
    assert tied == pytest.approx(1.5 / np.sqrt(3.0))


def test_what_does_not_vary_has_no_rank_correlation():
    assert rank_correlation(np.zeros(5), np.arange(5.0)) is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30, unique=True))
def test_rank_correlation_sees_order_alone(values):
    array = np.array(values)
    assert rank_correlation(array, np.argsort(np.argsort(array)) ** 3.0) == pytest.approx(1.0)
    assert rank_correlation(array, -array) == pytest.approx(-1.0)
