import numpy as np
import pytest

from app.validate.zones import Reach, Zones, geometry_of, zones_of
from engine.book import OpenLevels

# 10 buckets of 0.1 % on each side of 1000, so of width 1: 990 to 1010; 2 of each side are hot.
REACH = Reach(within=0.01, share=0.2)


def levels(*rows):
    """Return levels of (price, size, side)."""
    price, size, side = (np.array(column) for column in zip(*rows, strict=True))
    birth = np.zeros(len(rows), np.int64)
    price = price.astype(float)
    return OpenLevels(price, size.astype(float), side.astype(np.int8), birth, price, price, birth)


def zones(**held):
    """Return zones with notional by bucket, ``b3=5.0`` for the fourth from below."""
    notional = np.zeros(20)
    for name, value in held.items():
        notional[int(name[1:])] = value
    return Zones.of(1000.0, notional, REACH)


def test_longs_count_below_the_price_and_shorts_above_it():
    found = zones_of(
        [levels((995.5, 2, 0), (995.2, 1, 0), (1004.5, 3, 1)), levels((995.5, 1, 0))],
        1000.0,
        REACH,
    )
    expected = np.zeros(20)
    expected[5] = np.round(2 * 995.5 + 995.2 + 995.5)  # 995 to 996
    expected[14] = np.round(3 * 1004.5)
    assert found.notional.tolist() == expected.tolist()


def test_levels_beyond_the_reach_or_on_the_wrong_side_of_the_price_count_nowhere():
    beyond = levels((989.9, 1, 0), (1010.5, 1, 1), (1001.5, 1, 0), (999.5, 1, 1), (1e9, 1, 1))
    assert not zones_of([beyond], 1000.0, REACH).notional.any()


def test_the_hottest_are_of_each_side_and_hold_something():
    found = zones(b1=5.0, b3=9.0, b8=7.0, b12=1.0)
    assert np.flatnonzero(found.hot).tolist() == [3, 8, 12]
    assert found.place(1, 993.5).rank == 1
    assert found.place(1, 991.5).rank == 3
    assert (found.covered(1), found.covered(-1)) == (0.2, 0.1)


def test_of_equal_buckets_the_nearer_ones_are_hot():
    found = Zones.of(1000.0, np.ones(20), REACH)
    assert np.flatnonzero(found.hot).tolist() == [8, 9, 10, 11]


@pytest.mark.parametrize(
    ("side", "price", "bucket"),
    [
        (1, 999.9, 9),
        (1, 990.0, 0),
        (-1, 1000.0, 10),
        (-1, 1009.9, 19),
        (1, 989.99, None),
        (1, 1000.0, None),
        (-1, 999.9, None),
        (-1, 1010.0, None),
    ],
)
def test_a_price_has_a_place_within_the_reach_on_its_sides_side(side, price, bucket):
    place = zones(b9=1.0).place(side, price)
    assert (place and place.bucket) == bucket


def test_the_hot_share_of_a_price_range():
    found = zones(b9=4.0, b11=4.0)  # hot: 999 to 1000, 1001 to 1002
    assert found.covered_between(999.0, 1003.0) == pytest.approx(0.5)
    assert found.covered_between(999.5, 1000.5) == pytest.approx(0.5)
    assert found.covered_between(1001.2, 1001.2) == 1.0
    assert found.covered_between(1000.5, 1000.5) == 0.0
    assert found.covered_between(2000.0, 2000.0) == 0.0
    # What lies beyond the reach is not hot: 1000 to 1020 holds one hot unit of 20.
    assert found.covered_between(1000.0, 1020.0) == pytest.approx(0.05)


def test_the_geometry_map_counts_levels_by_their_leverages_weight_alone():
    # Of the first tier once at 995.5 and thrice at 993.5, of the second once at 1003.5.
    held = OpenLevels(
        price=np.array([995.5, 993.5, 993.5, 993.5, 1003.5]),
        size=np.array([100.0, 1.0, 1.0, 1.0, 10.0]),
        side=np.array([0, 0, 0, 0, 1], np.int8),
        tier=np.array([0, 0, 0, 0, 1]),
        leverage=np.array([50.0, 50.0, 50.0, 50.0, 25.0]),
        entry=np.full(5, 1000.0),
        birth=np.arange(5),
    )
    narrow = Reach(within=0.01, share=0.1)  # one bucket of each side is hot
    found = zones_of([held], 1000.0, narrow)
    geometry = geometry_of({"okx": held}, (0.75, 0.25), found)
    assert np.flatnonzero(found.hot).tolist() == [5, 13]
    assert np.flatnonzero(geometry.hot).tolist() == [3, 13]
    assert geometry.notional.sum() == pytest.approx(found.notional.sum(), abs=2)
    # 3 × 0.75 × 993.5 beside 0.25 × 1003.5
    assert geometry.notional[3] / geometry.notional[13] == pytest.approx(8.91, abs=0.01)


def test_the_geometry_map_calls_as_many_buckets_hot_as_the_map():
    held = levels((995.5, 5, 0), (993.5, 2, 0), (1003.5, 1, 1))
    rest = levels((995.5, 5, 0), *((990.5 + k, 1e-9, 0) for k in range(9)), (1009.5, 1e-9, 1))
    found = zones_of([held], 1000.0, REACH)
    geometry = geometry_of({"okx": rest}, (1.0,), found)
    assert (geometry.covered(1), geometry.covered(-1)) == (found.covered(1), found.covered(-1))


def test_zones_come_back_from_their_whole_numbers():
    rng = np.random.default_rng(5)
    found = Zones.of(1000.0, rng.gamma(0.3, 1e6, 20), REACH)
    again = Zones.of(1000.0, np.array([float(int(one)) for one in found.notional]), REACH)
    assert again.hot.tolist() == found.hot.tolist()
    assert again.rank.tolist() == found.rank.tolist()


def test_notional_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="notional must be of 20 buckets, but is of"):
        Zones.of(1000.0, np.zeros(3), REACH)
