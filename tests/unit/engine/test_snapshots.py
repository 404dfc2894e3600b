from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.testing import assert_allclose
from pydantic import ValidationError

from engine.book import build_book
from engine.parameters import Parameters
from engine.profiles import parse_profile
from engine.snapshots import (
    Candle,
    HeatmapCell,
    LiquidationLevel,
    calculate_time_evolving_heatmap,
    infer_side,
    levels_of,
    should_liquidate,
)
from tests.markets import market

TEN = Parameters(profile=parse_profile("10:1"))
UP, STILL, FALL = (99, 101, 98, 100), (100, 100.5, 99.5, 100), (100, 100.5, 90, 95)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def level(side="long", price=90.0, **changed):
    fields = {
        "side": side,
        "entry_price": 100.0,
        "liquidation_price": price,
        "leverage": 10,
        "size": 1.0,
        "opened_at": NOON,
    }
    return LiquidationLevel(**fields | changed)


@pytest.mark.parametrize(
    ("side", "price", "candle", "dies"),
    [
        ("long", 90.0, Candle(95, 96, 89, 95), True),  # only the wick
        ("long", 90.0, Candle(95, 96, 90, 95), True),  # exact touch
        ("long", 90.0, Candle(95, 96, 90.01, 95), False),
        ("long", 90.0, Candle(80, 81, 79, 80), True),  # gap through
        ("short", 110.0, Candle(105, 111, 104, 105), True),
        ("short", 110.0, Candle(105, 110, 104, 105), True),
        ("short", 110.0, Candle(105, 109.99, 104, 105), False),
        ("short", 110.0, Candle(120, 121, 119, 120), True),
    ],
)
def test_should_liquidate_when_the_range_touches(side, price, candle, dies):
    assert should_liquidate(level(side, price), candle) is dies


@pytest.mark.parametrize(
    ("candle", "change", "side"),
    [
        (Candle(99, 101, 98, 100), 5.0, "long"),
        (Candle(100, 101, 98, 99), 5.0, "short"),
        (Candle(100, 101, 98, 100), 5.0, None),  # doji
        (Candle(99, 101, 98, 100), 0.0, None),
        (Candle(99, 101, 98, 100), -5.0, None),
    ],
)
def test_infer_side_from_candle_and_rising_open_interest(candle, change, side):
    assert infer_side(candle, change) == side


@pytest.mark.parametrize(
    "changed",
    [
        {"size": -1.0},
        {"size": float("nan")},
        {"leverage": 0.5},
        {"entry_price": 0.0},
        {"liquidation_price": 110.0},  # a long that dies above its entry
        {"opened_at": datetime(2026, 1, 1)},  # noqa: DTZ001 - a naive time is what is refused
        {"liquidated_at": NOON},
        {"side": "both"},
    ],
)
def test_levels_that_cannot_be_are_refused(changed):
    with pytest.raises(ValidationError):
        level(**changed)


def test_cells_need_a_price_range():
    with pytest.raises(ValidationError, match="low < high"):
        HeatmapCell(price_low=2.0, price_high=1.0)


def test_no_bars_give_no_snapshots():
    assert calculate_time_evolving_heatmap(market([], [])) == []


def test_snapshots_follow_a_level_from_birth_to_death():
    snapshots = calculate_time_evolving_heatmap(
        market([STILL, UP, STILL, FALL], [100, 107, 107, 100]), TEN, edges=np.array([90.0, 91.0])
    )
    assert [len(snapshot.cells) for snapshot in snapshots] == [0, 1, 1, 1]
    alive, dead = snapshots[2].cells[0], snapshots[3].cells[0]
    assert_allclose(alive.long_size, 7.0)
    assert_allclose(alive.long_notional, 7 * 100 * 0.9 / 0.996)
    assert dead.long_size == 0.0
    assert_allclose(dead.long_consumed, alive.long_notional)
    assert snapshots[3].liquidated == (7.0, 0.0)
    assert snapshots[1].opened == (7.0, 0.0)
    assert_allclose(snapshots[2].coverage, [7 / 107, 0.0])
    assert snapshots[0].time == datetime(2026, 1, 1, 0, 5, tzinfo=UTC)


def test_edges_chosen_for_the_caller_hold_every_level():
    snapshots = calculate_time_evolving_heatmap(market([UP, STILL], [107, 107]), buckets=30)
    assert_allclose(sum(cell.long_size for cell in snapshots[-1].cells), 7.0)


def test_steps_gather_bars():
    snapshots = calculate_time_evolving_heatmap(
        market([STILL] * 5, [100] * 5), TEN, step=timedelta(minutes=10)
    )
    assert [s.time.minute for s in snapshots] == [10, 20, 30]


@pytest.mark.parametrize("wrong", [{"buckets": 0}, {"step": timedelta(minutes=1)}])
def test_grids_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="must be at least"):
        calculate_time_evolving_heatmap(market([UP], [107.0]), **wrong)


def test_open_levels_come_as_objects():
    (only,) = levels_of(build_book(market([UP], [107.0]), TEN))
    assert (only.side, only.leverage, only.size) == ("long", 10.0, 7.0)
    assert only.entry_price == 100.0
    assert only.opened_at == datetime(2026, 1, 1, 0, 5, tzinfo=UTC)


def test_unlevered_longs_come_as_objects_that_die_at_zero():
    assumed = Parameters(profile=parse_profile("1:1"))
    (only,) = levels_of(build_book(market([UP], [107.0]), assumed))
    assert only.liquidation_price == 0.0
