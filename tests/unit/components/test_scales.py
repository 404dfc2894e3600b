import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from components.scales import MAPPINGS, colour_scale

amounts = st.lists(st.one_of(st.just(0.0), st.floats(1e-3, 1e12)), min_size=1, max_size=80).map(
    np.array
)


@given(amounts, st.sampled_from(MAPPINGS))
def test_more_never_has_a_lower_colour(notional, mapping):
    index = colour_scale(notional, mapping).index(np.sort(notional))
    assert np.all(np.diff(index.astype(int)) >= 0)


@given(amounts, st.sampled_from(MAPPINGS))
def test_nothing_has_the_first_colour(notional, mapping):
    assert np.all(colour_scale(notional, mapping).index(notional)[notional == 0.0] == 0)


@given(amounts, st.sampled_from(MAPPINGS))
def test_floors_ascend_from_zero(notional, mapping):
    floor = colour_scale(notional, mapping).floor
    assert floor.shape == (256,)
    assert floor[0] == 0.0
    assert np.all(np.diff(floor) >= 0.0)


def test_a_linear_scale_ends_where_almost_all_is_below():
    notional = np.append(np.full(999, 100.0), 1e9)
    scale = colour_scale(notional, "linear")
    assert_allclose(scale.floor[255], 100.0)
    assert scale.index(np.array([0.0, 50.0, 100.0, 1e9])).tolist() == [0, 127, 255, 255]


def test_a_logarithmic_scale_gives_equal_factors_equal_steps():
    scale = colour_scale(np.geomspace(1.0, 1e6, 10_000), "log")
    low, middle, high = scale.index(np.array([2e3, 2e4, 2e5])).astype(int)
    assert middle - low == pytest.approx(high - middle, abs=1)


def test_a_logarithmic_scale_tells_little_from_nothing():
    scale = colour_scale(np.geomspace(1.0, 1e6, 10_000), "log")
    assert scale.index(np.array([0.0, 1.0])).tolist() == [0, 1]


def test_a_quantile_scale_uses_all_colours_alike():
    notional = np.geomspace(1.0, 1e9, 2550)
    counts = np.bincount(colour_scale(notional, "quantile").index(notional), minlength=256)
    assert counts[0] == 0
    assert counts[1:].min() >= 9
    assert counts[1:].max() <= 11


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_an_empty_map_has_one_colour(mapping):
    scale = colour_scale(np.zeros((3, 2)), mapping)
    assert scale.index(np.zeros((3, 2))).max() == 0


def test_an_unknown_mapping_is_named():
    with pytest.raises(ValueError, match="linear, log, quantile, but is 'cubic'"):
        colour_scale(np.ones(2), "cubic")
