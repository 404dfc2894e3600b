import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from engine.score.evidence import Verdict
from engine.score.positions import (
    Located,
    OpenPositions,
    locate,
    map_cells,
    matched_percentile,
    place,
    score_positions,
)
from engine.score.sampling import Moments
from tests.scored import at, positions

DAYS = 12
HOURS = Moments(
    np.array([at(hour) for hour in range(24 * DAYS)]),
    100.0 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.002, 24 * DAYS))),
)


def even(moments, offsets):
    return np.ones((2, len(moments), offsets.size - 1))


def held_of(observed):
    """Return a map that knows the positions of each hour, and one unit in every cell."""

    def held(moments, offsets):
        found = even(moments, offsets)
        for side in range(2):
            mine = observed.side == 1 - 2 * side
            hour = np.searchsorted(moments.time, observed.time[mine], side="right") - 1
            distance = observed.liquidation_price[mine] / moments.price[hour] - 1.0
            cell = np.searchsorted(offsets, distance, side="right") - 1
            inside = (cell >= 0) & (cell < offsets.size - 1)
            np.add.at(found[side], (hour[inside], cell[inside]), 100.0)
        return found

    return held


def drawn(count=200, seed=2, hours_held=30):
    """Return positions that are seen every hour while they are held, at random distances."""
    rng = np.random.default_rng(seed)
    seen = []
    for holder in range(count):
        first, side = int(rng.integers(0, 24 * DAYS - hours_held)), int(rng.choice([1, -1]))
        price = HOURS.price[first] * (1 - side * rng.uniform(0.03, 0.15))
        seen += [(at(first + hour + 0.2), holder, side, price) for hour in range(hours_held)]
    return positions(*seen)


@pytest.fixture(scope="module")
def observed():
    return drawn()


def test_positions_are_looked_up_in_the_map_of_the_hour_before():
    flat = Moments(HOURS.time[:3], np.array([100.0, 200.0, 300.0]))
    found = locate(positions((at(1.9), 7, 1, 190.0), (at(2.0), 8, -1, 330.0)), flat)
    assert_array_equal(found.moments.price, [200.0, 300.0])
    assert_array_equal(found.moment, [0, 1])
    # 5 % and 10 % away, in cells of .25 %.
    assert_array_equal(found.cell, [20, 40])
    assert_array_equal(found.side, [0, 1])


def test_a_position_counts_once_however_often_it_is_seen():
    seen = [(at(hour), 1, 1, 90.0) for hour in range(4)] + [(at(2), 2, -1, 112.0)]
    found = locate(positions(*seen), Moments(HOURS.time[:5], np.full(5, 100.0)))
    assert_allclose(found.weight, [0.25] * 4 + [1.0])
    assert found.positions == 2


def test_what_is_out_of_reach_is_reported():
    seen = positions(
        (at(0), 1, 1, 90.0), (at(0), 2, 1, 101.0), (at(0), 3, 1, 50.0), (at(0), 4, 1, np.nan)
    )
    found = locate(seen, Moments(HOURS.time[:1], np.array([100.0])))
    assert found.positions == 1
    assert found.outside == pytest.approx(2 / 3)


def test_an_observation_long_after_the_last_map_is_left_out():
    found = locate(positions((at(5), 1, 1, 90.0)), Moments(HOURS.time[:1], np.array([100.0])))
    assert found.positions == 0


def located(time, moment, cell):
    count = len(moment)
    return Located(
        moments=Moments(np.array(time), np.full(len(time), 100.0)),
        moment=np.array(moment),
        side=np.zeros(count, int),
        cell=np.array(cell),
        weight=np.ones(count),
        outside=0.0,
        positions=count,
        near=count,
    )


def test_a_percentile_is_matched_by_distance_and_a_day_away():
    # Cell 0 holds 5, 6 (an hour later), 5 and 2 (a day later and more), cell 1 the rest of 10.
    held = np.array([5.0, 6.0, 5.0, 2.0])
    amounts = np.stack([np.stack([held, 10 - held], axis=1)] * 2)
    time = [at(0), at(1), at(30), at(60)]
    found = matched_percentile(amounts, located(time, [0, 1, 3, 0], [0, 0, 0, 1]))
    # Of two moments away, one equals 5 and one is less: 1.5 / 2. Both are less than 6. None is
    # less than 2. In the other cell of the first moment: 5 against 5 and 8.
    assert_allclose(found, [75.0, 100.0, 0.0, 25.0])


def test_moments_within_a_day_have_nothing_to_be_matched_with():
    amounts = np.ones((2, 2, 2))
    assert np.isnan(matched_percentile(amounts, located([at(0), at(23)], [0], [0]))).all()
    a_day = matched_percentile(amounts, located([at(0), at(24)], [0], [0]))
    assert_allclose(a_day, 50.0)


def slow_matched(amounts, found):
    """Compare each observation with every moment at least a day away."""
    time = found.moments.time
    away = np.abs(time[:, None] - time) >= np.timedelta64(24, "h")
    result = []
    for moment, side, cell in zip(found.moment, found.side, found.cell, strict=True):
        others = amounts[side, away[moment], cell]
        own = amounts[side, moment, cell]
        result.append(100 * ((others < own).mean() + (others == own).mean() / 2))
    return np.array(result)


def test_matched_percentiles_agree_with_a_slow_reading(observed):
    found = locate(observed, HOURS)
    amounts = np.random.default_rng(3).integers(1, 4, (2, len(found.moments), 160)).astype(float)
    assert_allclose(matched_percentile(amounts, found), slow_matched(amounts, found))


def test_a_map_of_the_positions_themselves_knows_them(observed):
    found = score_positions(held_of(observed), even, observed, HOURS)
    assert isinstance(found, OpenPositions)
    assert (found.positions, found.days) == (200, DAYS)
    assert found.map.matched.low > 80.0
    assert found.map.over_flat.low > 0.0
    assert found.over_geometry.is_above_zero
    assert found.verdict.words == (
        "Knows where open positions lie, beyond how far from the price: yes."
    )
    # Positions are held for 30 hours: most were there four hours earlier.
    assert found.ceiling.matched.low > 70.0


def test_an_even_map_has_the_percentile_of_chance(observed):
    found = score_positions(even, even, observed, HOURS)
    assert found.map.matched.value == pytest.approx(50.0)
    assert found.map.over_flat.value == pytest.approx(0.0)
    assert found.verdict.answer == "not shown"


def test_a_map_that_only_falls_off_with_distance_has_the_percentile_of_chance(observed):
    def falling(moments, offsets):
        middle = np.abs(offsets[:-1] + offsets[1:]) / 2
        return np.broadcast_to(np.exp(-middle / 0.1), (2, len(moments), middle.size))

    found = place(by_cell_of(falling, observed), locate(observed, HOURS))
    assert found.matched.value == pytest.approx(50.0)
    assert found.over_profile.value == pytest.approx(0.0)


def by_cell_of(held, observed):
    return map_cells(held, locate(observed, HOURS).moments)


def test_a_map_that_follows_the_number_of_positions_has_the_percentile_of_chance():
    # More and more positions, and a map that holds more and more everywhere.
    rng = np.random.default_rng(5)
    seen = [
        (at(hour), 1000 * hour + number, 1, HOURS.price[hour] * (1 - rng.uniform(0.01, 0.09)))
        for hour in range(24 * DAYS)
        for number in range(1 + hour // 24)
    ]

    def growing(moments, offsets):
        return even(moments, offsets) * np.arange(1, len(moments) + 1)[None, :, None]

    found = score_positions(growing, even, positions(*seen), HOURS)
    assert found.map.matched.value == pytest.approx(50.0, abs=0.5)


def test_positions_of_another_time_show_nothing(observed):
    # The same map three days late: what it knows is of positions that are gone.
    late = positions(
        *zip(
            observed.time + np.timedelta64(72, "h"),
            observed.holder,
            observed.side,
            observed.liquidation_price,
            strict=True,
        )
    )
    found = score_positions(held_of(observed), even, late, HOURS)
    assert found.verdict.answer == "not shown"


def test_the_profile_adds_up(observed):
    found = score_positions(held_of(observed), even, observed, HOURS)
    assert len(found.profile) == 5
    assert sum(band.positions for band in found.profile) == pytest.approx(1.0)
    assert sum(band.mapped for band in found.profile) == pytest.approx(1.0)
    mean = sum(band.gain * band.positions for band in found.profile if band.positions)
    assert mean == pytest.approx(found.map.over_flat.value)


def test_too_few_days_or_positions_allow_no_verdict(observed):
    short = score_positions(even, even, observed.where(observed.time < at(72)), HOURS)
    assert isinstance(short, Verdict)
    assert "3 days are too few (5 needed)" in short.words
    few = score_positions(even, even, observed.where(observed.holder < 29), HOURS)
    assert "positions within 10% of the price are too few (30 needed)" in few.words
    nothing = score_positions(even, even, observed.where(observed.holder < 0), HOURS)
    assert nothing.answer == "no verdict"
