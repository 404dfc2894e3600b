import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from engine.margin import LONG, SHORT
from engine.zones import find_zones

# Rows of 1 from 80 to 120; at a price of 100 the nearest short row is 100 … 101.
EDGES = np.arange(80.0, 121.0)


def shorts(*heights):
    """Rows of shorts that hold ``heights`` from the price up, nothing elsewhere."""
    rows = np.zeros(40)
    rows[20 : 20 + len(heights)] = heights
    return rows


def test_a_peak_has_a_range_amount_and_share():
    # The peak of 8 has a valley of 2 to its left and falls to 0 to its right: prominence 6. The
    # rows above 8 - 3 = 5 are its range: 6 and 8.
    (zone,) = find_zones(shorts(3, 2, 6, 8, 1, 0, 0, 0, 0), EDGES, 100.0, SHORT)
    assert (zone.low, zone.high, zone.price) == (102.0, 104.0, 103.5)
    assert (zone.height, zone.prominence, zone.total) == (8.0, 6.0, 14.0)
    assert zone.share == pytest.approx(14 / 20)


def test_longs_are_the_mirror_image_of_shorts():
    rows = shorts(3, 2, 6, 8, 1, 0, 0, 0, 0)
    (short,) = find_zones(rows, EDGES, 100.0, SHORT)
    (long,) = find_zones(rows[::-1], EDGES, 100.0, LONG)
    assert (long.low, long.high, long.price) == (96.0, 98.0, 96.5)
    assert (long.height, long.total, long.share) == (short.height, short.total, short.share)


def test_the_nearest_zone_comes_first():
    rows = shorts(0, 9, 0, 0, 0, 12, 0, 0, 0, 0)
    assert [zone.price for zone in find_zones(rows, EDGES, 100.0, SHORT)] == [101.5, 105.5]
    assert [zone.price for zone in find_zones(rows[::-1], EDGES, 100.0, LONG)] == [98.5, 94.5]


def test_a_shoulder_is_no_zone_of_its_own():
    # The second peak of 8 rises only 2 above the valley of 6: less than .3 of its height.
    rows = shorts(0, 10, 6, 8, 0, 0, 0, 0, 0, 0)
    assert [zone.price for zone in find_zones(rows, EDGES, 100.0, SHORT)] == [101.5]
    assert len(find_zones(rows, EDGES, 100.0, SHORT, keep=0.2)) == 2


def test_what_hardly_exceeds_the_usual_height_is_no_zone():
    # Median 4: a peak of 5 is less than 1.5 times as high.
    rows = shorts(4, 1, 5, 1, 4, 4, 4, 4, 4, 4)
    assert find_zones(rows, EDGES, 100.0, SHORT) == ()
    assert len(find_zones(rows, EDGES, 100.0, SHORT, least=1.0)) == 1


def test_nothing_is_found_beyond_reach_or_on_the_other_side():
    rows = shorts(*[0] * 12, 9, 0, 0)
    assert find_zones(rows, EDGES, 100.0, SHORT) == ()
    assert find_zones(rows, EDGES, 100.0, LONG) == ()
    assert len(find_zones(rows, EDGES, 100.0, SHORT, reach=0.15)) == 1


@pytest.mark.parametrize("rows", [np.zeros(40), np.full(40, 7.0)])
def test_an_even_map_has_no_zones(rows):
    assert find_zones(rows, EDGES, 100.0, SHORT) == ()


def test_amounts_can_come_from_another_map():
    rows, amount = shorts(0, 9, 0, 0, 0, 0, 0), shorts(1, 30, 9, 0, 0, 0, 0)
    (zone,) = find_zones(rows, EDGES, 100.0, SHORT, amount=amount)
    assert zone.height == 9.0
    assert (zone.total, zone.share) == (30.0, 0.75)


def slow_zones(heights, keep=0.3, least=1.5):
    """Peaks and prominences of rows, straight from the definition."""
    found, last = [], len(heights) - 1
    for row in range(1, last):
        height = heights[row]
        if not (heights[row - 1] <= height > heights[row + 1]):
            continue
        higher = [other for other in range(last + 1) if heights[other] > height]
        left = max([other for other in higher if other < row], default=0)
        right = min([other for other in higher if other > row], default=last)
        prominence = height - max(min(heights[left : row + 1]), min(heights[row : right + 1]))
        if prominence >= keep * height and height >= least * np.median(heights):
            found.append((row, height, prominence))
    return found


@given(st.lists(st.integers(0, 12), min_size=5, max_size=20), st.sampled_from([LONG, SHORT]))
def test_zones_agree_with_a_slow_reading_of_their_definition(heights, side):
    rows = shorts(*heights)[::-side]
    zones = find_zones(rows, EDGES, 100.0, side, reach=len(heights) / 100)
    expected = slow_zones(heights)
    assert [(zone.height, zone.prominence) for zone in zones] == [part[1:] for part in expected]
    assert_allclose(
        [abs(zone.price - 100.0) for zone in zones], [row + 0.5 for row, *_ in expected]
    )
    for zone in zones:
        assert zone.low < zone.price < zone.high
        assert zone.height <= zone.total
        assert 0.0 < zone.share <= 1.0
