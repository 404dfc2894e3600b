import numpy as np
import pytest
from numpy.testing import assert_array_equal

from engine.truth import REASONS, Positions, true_map

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
