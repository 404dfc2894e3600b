"""Smoothing of amounts over price."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from engine.heatmap import blurred

EDGES = np.arange(101.0)


def test_an_even_map_stays_even():
    assert_allclose(blurred(np.full((100, 3), 7.0), EDGES, 4.0), 7.0)


def test_a_single_row_becomes_a_gaussian_that_holds_as_much():
    amounts = np.zeros((100, 1))
    amounts[50] = 10.0
    smooth = blurred(amounts, EDGES, 2.0)[:, 0]
    assert smooth.sum() == pytest.approx(10.0, rel=1e-3)
    assert smooth[52] / smooth[50] == pytest.approx(np.exp(-0.5))
    assert_array_equal(smooth[:41], 0.0)


def test_a_width_far_below_a_bucket_changes_nothing():
    amounts = np.random.default_rng(1).random((100, 2))
    assert blurred(amounts, EDGES, 1e-300) is amounts
    assert blurred(amounts, EDGES, 0.0) is amounts
