import numpy as np
import pytest
from numpy.testing import assert_array_equal

from engine.truth import REASONS, Positions, stored_positions, true_liquidations, true_map

TIMES = np.array(["2026-01-01T00", "2026-01-01T01", "2026-01-01T02", "2026-01-01T03"], "M8[us]")
EDGES = np.array([90.0, 100.0, 110.0])
NEVER = "NaT"


def positions(*rows):
    """Return positions of ``(opened, ended, side, quantity, liquidation_price)``."""
    opened, ended, side, quantity, price = zip(*rows, strict=True) if rows else ([],) * 5
    count = len(opened)
    return Positions(
        opened=np.array(opened, "M8[us]"),
        ended=np.array(ended, "M8[us]"),
        reason=np.array([end != NEVER for end in ended], np.int8) * REASONS.index("liquidated"),
        side=np.array(side, np.int8),
        quantity=np.array(quantity, float),
        entry_price=np.full(count, 100.0),
        exit_price=np.full(count, np.nan),
        leverage=np.full(count, 10.0),
        liquidation_price=np.array(price, float),
        continues=np.full(count, -1),
        user=np.arange(count),
        backing=np.ones(count),
    )


def test_a_position_is_on_the_map_from_the_column_it_opens_in_to_the_one_before_its_end():
    held = positions(("2026-01-01T00:30", "2026-01-01T02:30", 1, 2.0, 95.0))
    # Open at 01:00 and 02:00, no longer at 03:00: 2 × 95.
    assert_array_equal(true_map(held, TIMES, EDGES)[0], [[190, 190, 0], [0, 0, 0]])


@pytest.mark.parametrize(
    ("opened", "ended", "expected"),
    [
        # Open at the moment T iff opened < T <= ended.
        ("2026-01-01T01:00", NEVER, [0, 95, 95]),
        ("2025-12-01", "2026-01-01T02:00", [95, 95, 0]),
        ("2025-12-01", "2026-01-01T00:30", [0, 0, 0]),
        ("2025-12-01", NEVER, [95, 95, 95]),
    ],
)
def test_a_column_shows_its_end(opened, ended, expected):
    held = positions((opened, ended, 1, 1.0, 95.0))
    assert_array_equal(true_map(held, TIMES, EDGES)[0, 0], expected)


def test_sides_and_buckets_are_apart_and_buckets_half_open():
    held = positions(
        ("2025-12-01", NEVER, 1, 1.0, 90.0),
        ("2025-12-01", NEVER, -1, 1.0, 100.0),
        ("2025-12-01", NEVER, -1, 1.0, 110.0),  # past the last edge
        ("2025-12-01", NEVER, 1, 1.0, np.nan),  # cross margin
    )
    assert_array_equal(true_map(held, TIMES, EDGES)[:, :, 0], [[90, 0], [0, 100]])


def test_what_ended_leaves_nothing_behind():
    rng = np.random.default_rng(1)
    held = positions(
        *(("2025-12-01", "2026-01-01T01:30", 1, size, 95.3) for size in rng.random(999))
    )
    assert_array_equal(true_map(held, TIMES, EDGES)[0, 0, 1:], 0.0)


def test_nothing_held_is_an_empty_map():
    assert_array_equal(true_map(positions(), TIMES, EDGES), np.zeros((2, 2, 3)))


def test_rows_keep_naming_the_row_they_continue():
    held = positions(*((("2025-12-01", NEVER, 1, float(n), 95.0)) for n in range(4)))
    held.continues[3] = 1
    assert_array_equal(held.where(np.array([False, True, True, True])).continues, [-1, -1, 0])
    assert_array_equal(held.where(np.array([True, False, True, True])).continues, [-1, -1, -1])


def test_rows_keep_their_users():
    held = positions(*((("2025-12-01", NEVER, 1, float(n), 95.0)) for n in range(3)))
    assert_array_equal(held.where(np.array([False, True, True])).user, [1, 2])


def test_what_is_open_at_a_moment_opened_before_it_and_ends_no_sooner():
    held = positions(
        ("2026-01-01T01:00", NEVER, 1, 1.0, 95.0),
        ("2026-01-01T00:30", "2026-01-01T01:00", 1, 2.0, 95.0),
        ("2026-01-01T00:30", "2026-01-01T00:59", 1, 3.0, 95.0),
        ("2026-01-01T00:30", NEVER, -1, 4.0, 105.0),
    )
    assert_array_equal(held.open_at(np.datetime64("2026-01-01T01:00")).quantity, [2.0, 4.0])


def test_liquidations_are_what_ended_by_force_in_order_of_time():
    held = positions(
        ("2026-01-01T00", "2026-01-01T03", 1, 1.0, 95.0),
        ("2026-01-01T00", "2026-01-01T02", -1, 2.0, 105.0),
        ("2026-01-01T00", NEVER, 1, 3.0, 95.0),
    )
    held.exit_price[:] = [95.0, 105.0, np.nan]
    forced = true_liquidations(held)
    assert_array_equal(forced.time, np.array(["2026-01-01T02", "2026-01-01T03"], "M8[us]"))
    assert_array_equal(forced.side, [-1, 1])
    assert_array_equal(forced.quantity, [2.0, 1.0])
    assert_array_equal(forced.price, [105.0, 95.0])


def test_stored_rows_are_joined_where_margin_was_added():
    times = ["2026-01-01T00", "2026-01-01T01", "2026-01-01T02"]
    held = stored_positions(
        {
            "opened": np.array([times[0], times[0], times[1], times[1]], "M8[us]"),
            "closed": np.array([times[1], times[1], times[2], NEVER], "M8[us]"),
            "end_reason": np.array(["closed", "closed", "liquidated", "open"]),
            "side": np.array([1, -1, 1, 1], np.int8),
            "quantity": np.array([2.0, 2.0, 2.0, 3.0]),
            "entry_price": np.full(4, 100.0),
            "leverage": np.array([10.0, 10.0, 6.0, 10.0]),
            "liquidation_price": np.array([90.4, 109.6, 83.7, 90.4]),
        }
    )
    # Only the long of 2 goes on; the short of 2 has another side, the long of 3 another size.
    assert_array_equal(held.continues, [-1, -1, 0, -1])
    assert_array_equal(held.user, [0, 1, 0, 3])
    assert [REASONS[n] for n in held.reason] == ["margin added", "closed", "liquidated", "open"]
    assert_array_equal(true_liquidations(held).price, [83.7])


def test_nothing_stored_is_nothing_held():
    columns = {"opened": "M8[us]", "closed": "M8[us]", "end_reason": "U9", "side": "i1"}
    numbers = ("quantity", "entry_price", "leverage", "liquidation_price")
    empty = stored_positions(
        {name: np.array([], kind) for name, kind in columns.items()}
        | {name: np.array([], float) for name in numbers}
    )
    assert len(empty) == 0
    assert true_liquidations(empty).time.size == 0
