"""When a feed of liquidations counts as recorded."""

import numpy as np
import pytest

from app.score_data import recorded_days, recorded_spans

HOUR = np.timedelta64(1, "h")
FIRST = np.datetime64("2026-01-01", "us")


@pytest.mark.parametrize(
    ("hours", "spans"),
    [
        ([], []),
        ([5], [[5, 5]]),
        ([0, 1, 25], [[0, 25]]),
        ([0, 1, 26], [[0, 1], [26, 26]]),
        ([0, 10, 48, 50], [[0, 10], [48, 50]]),
    ],
)
def test_more_than_a_day_without_liquidations_ends_a_span(hours, spans):
    found = recorded_spans(FIRST + np.array(hours, int) * HOUR)
    expected = FIRST + np.array(spans, int).reshape(-1, 2) * HOUR
    expected[:, 1] += np.timedelta64(1, "us")
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("days", "whole"),
    [
        ([], []),
        ([1], [False]),
        ([1, 2], [False, False]),
        ([1, 2, 3, 4], [False, True, True, False]),
        ([1, 2, 3, 5, 6, 7], [False, True, False, False, True, False]),
    ],
)
def test_only_days_between_others_were_recorded_whole(days, whole):
    found = recorded_days(FIRST + np.array(days, int) * 24 * HOUR)
    assert found.tolist() == whole
