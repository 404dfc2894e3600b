from datetime import timedelta

import pytest

from ingest.intervals import (
    SECONDS,
    finest_interval,
    interval_from_spacing,
    interval_name,
    parse_interval,
)


@pytest.mark.parametrize("name", SECONDS)
def test_names_and_intervals_correspond(name):
    assert interval_name(parse_interval(name)) == name


def test_an_unknown_interval_names_the_known_ones():
    with pytest.raises(ValueError, match=r"one of 1m, 3m, .*, but is '7m'"):
        parse_interval("7m")
    assert interval_name(timedelta(minutes=7)) == "420s"


@pytest.mark.parametrize(
    ("days", "seconds"), [(1, 86_400), (7, 604_800), (28, 2_592_000), (31, 2_592_000), (2, None)]
)
def test_months_of_any_length_are_months(days, seconds):
    assert interval_from_spacing(days * 86_400) == seconds


@pytest.mark.parametrize(
    ("rows", "best"),
    [
        ({}, None),
        ({60: 5}, 60),
        ({60: 90 * 60, 3600: 100}, 60),  # 90 of 100 hours
        ({60: 90 * 60 - 1, 3600: 100}, 3600),
        ({300: 10, 900: 1, 3600: 1}, 3600),
        ({300: 11, 900: 1, 3600: 1}, 300),
    ],
)
def test_the_finest_interval_must_cover_nine_tenths_of_the_best(rows, best):
    assert finest_interval(rows) == best
