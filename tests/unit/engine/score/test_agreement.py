import numpy as np
import pytest

from engine.score import compare

# 40 rows of .5 % around a price of 100.
EDGES = np.linspace(90.0, 110.0, 41)
PRICE = np.array([100.0])
ROWS = np.arange(1.0, 41.0)[:, None]


def test_a_map_agrees_with_itself():
    found = compare(ROWS, 3.0 * ROWS, EDGES, PRICE)
    assert (found.moments, found.rank_correlation, found.top_overlap) == (1, pytest.approx(1), 1.0)


def test_a_map_disagrees_with_its_mirror_image():
    found = compare(ROWS, ROWS[::-1], EDGES, PRICE)
    assert found.rank_correlation == pytest.approx(-1.0)
    assert found.top_overlap == 0.0


def test_the_overlap_is_of_the_fullest_tenth():
    # Rows 37 to 40 against 39, 40 and two others.
    other = ROWS.copy()
    other[[36, 37]] = 0.0
    assert compare(ROWS, other, EDGES, PRICE).top_overlap == 0.5


def test_amounts_are_summed_within_each_distance():
    first, second = np.ones((40, 1)), np.full((40, 1), 2.0)
    found = compare(first, second, EDGES, PRICE).within
    assert [row.distance for row in found] == [0.01, 0.02, 0.05]
    # Rows of .5 %: 2, 4 and 10 on each side.
    assert [row.below for row in found] == [(2, 4), (4, 8), (10, 20)]
    assert [row.above for row in found] == [(2, 4), (4, 8), (10, 20)]


def test_rows_far_from_the_price_do_not_count():
    # At a price of 95 the rows from 104.5 on are farther than 10 % away.
    other = ROWS.copy()
    other[30:] = 0.0
    near = compare(ROWS, other, EDGES, np.array([95.0]))
    assert near.rank_correlation == pytest.approx(1.0)


def test_figures_are_means_over_moments():
    first = np.hstack([ROWS, ROWS])
    second = np.hstack([ROWS, ROWS[::-1]])
    found = compare(first, second, EDGES, np.array([100.0, 100.0]))
    assert (found.moments, found.top_overlap) == (2, 0.5)
    assert found.rank_correlation == pytest.approx(0.0, abs=1e-12)


def test_an_even_map_has_neither_ranks_nor_fullest_rows():
    even = np.ones((40, 1))
    found = compare(ROWS, even, EDGES, PRICE)
    assert np.isnan(found.rank_correlation)
    assert np.isnan(found.top_overlap)
    # A moment at which a map is empty says nothing of the others.
    price = np.array([100.0, 100.0])
    found = compare(np.hstack([ROWS, ROWS]), np.hstack([ROWS, 0.0 * even]), EDGES, price)
    assert (found.moments, found.top_overlap) == (2, 1.0)


def test_maps_of_another_grid_are_rejected():
    with pytest.raises(ValueError, match="40 rows and 1 moments"):
        compare(ROWS, ROWS[:-1], EDGES, PRICE)
