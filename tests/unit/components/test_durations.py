from datetime import UTC, datetime, timedelta

import pytest

from components.durations import age, duration, total

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (-3, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (61, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (3660, "1 h 1 min"),
        (86_400, "1 d"),
        (86_460, "1 d"),  # a minute is nothing beside a day
        (100_000, "1 d 3 h"),
        (86_400 * 1200, "1,200 d"),
    ],
)
def test_a_span_is_written_in_its_two_largest_units(seconds, text):
    assert duration(seconds) == text


def test_an_age_says_how_long_ago():
    assert age(NOW - timedelta(seconds=7), NOW) == "7 s ago"
    assert age(NOW, NOW) == "now"
    assert age(NOW + timedelta(seconds=5), NOW) == "now"  # another clock
    assert age(None, NOW) == "never"


def test_spans_are_summed_in_seconds():
    assert total([timedelta(minutes=1), timedelta(hours=1)]) == 3660
    assert total([]) == 0
