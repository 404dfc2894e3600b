from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.files.recognise import recognise
from ingest.files.vision import (
    SERIES,
    archives,
    check_interval,
    outside,
    parse_range,
    parse_series,
    parse_symbol,
    spans,
    why_missing,
)
from ingest.intervals import SECONDS

BY_NAME = {series.name: series for series in SERIES}
TODAY = date(2026, 11, 21)  # a Saturday


def names(series, start, stop, interval="5m"):
    start, stop = date.fromisoformat(start), date.fromisoformat(stop)
    return [a.name for a in archives(BY_NAME[series], "BTCUSDT", interval, start, stop)]


def test_whole_months_come_as_one_file_and_other_days_one_by_one():
    assert names("klines", "2024-01-30", "2024-03-03") == [
        "BTCUSDT-5m-2024-01-30.zip",
        "BTCUSDT-5m-2024-01-31.zip",
        "BTCUSDT-5m-2024-02.zip",
        "BTCUSDT-5m-2024-03-01.zip",
        "BTCUSDT-5m-2024-03-02.zip",
    ]


def test_open_interest_comes_by_days_and_funding_by_months_that_reach_out():
    assert len(names("metrics", "2024-01-01", "2024-03-01")) == 31 + 29
    assert names("fundingRate", "2023-12-31", "2024-02-02") == [
        "BTCUSDT-fundingRate-2023-12.zip",
        "BTCUSDT-fundingRate-2024-01.zip",
        "BTCUSDT-fundingRate-2024-02.zip",
    ]


@pytest.mark.parametrize("interval", ["3d", "1w", "1mo"])
def test_long_candles_come_by_months_only(interval):
    assert names("klines", "2024-01-30", "2024-02-02", interval) == [
        f"BTCUSDT-{interval}-2024-01.zip",
        f"BTCUSDT-{interval}-2024-02.zip",
    ]


@pytest.mark.parametrize(
    ("series", "path"),
    [
        ("klines", "monthly/klines/BTCUSDT/5m/BTCUSDT-5m-2024-01.zip"),
        ("markPriceKlines", "monthly/markPriceKlines/BTCUSDT/5m/BTCUSDT-5m-2024-01.zip"),
        ("metrics", "daily/metrics/BTCUSDT/BTCUSDT-metrics-2024-01-01.zip"),
        ("fundingRate", "monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate-2024-01.zip"),
        ("aggTrades", "monthly/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-01.zip"),
        (
            "liquidationSnapshot",
            "daily/liquidationSnapshot/BTCUSDT/BTCUSDT-liquidationSnapshot-2024-01-01.zip",
        ),
    ],
)
def test_a_file_stands_where_the_archive_has_it_and_is_what_ingestion_takes_it_for(series, path):
    first = next(archives(BY_NAME[series], "BTCUSDT", "5m", date(2024, 1, 1), date(2024, 2, 1)))
    assert first.path == f"data/futures/um/{path}"
    assert first.source(Path(first.path)) == recognise(Path(first.path))


days = st.dates(date(2019, 6, 1), date(2025, 1, 1))


@given(st.sampled_from(SERIES), st.sampled_from(list(SECONDS)), days, st.integers(1, 500))
def test_every_day_of_a_range_is_in_just_one_file(series, interval, start, length):
    stop = start + timedelta(days=length)
    found = list(archives(series, "BTCUSDT", interval, start, stop))
    assert all(a.stop == b.first for a, b in pairwise(found))
    low, high = max(start, series.first), min(stop, series.stop)
    if low >= high:
        assert found == []
        return
    assert found[0].first <= low
    assert found[-1].stop >= high
    if series.daily and interval not in ("3d", "1w", "1mo"):
        assert (found[0].first, found[-1].stop) == (low, high)


def test_a_month_that_is_missing_is_its_days_where_there_are_such():
    (month,) = archives(BY_NAME["klines"], "BTCUSDT", "5m", date(2024, 2, 1), date(2024, 3, 1))
    found = month.days()
    assert (len(found), found[0].name) == (29, "BTCUSDT-5m-2024-02-01.zip")
    assert found[0].days() == []
    (month,) = archives(BY_NAME["fundingRate"], "BTCUSDT", "", date(2024, 2, 1), date(2024, 3, 1))
    assert month.days() == []


def test_what_lies_outside_the_archive_is_said():
    assert "nothing before 2020-01-01" in outside(BY_NAME["klines"], date(2019, 1, 1), TODAY)
    assert "nothing before 2020-09-01" in outside(BY_NAME["metrics"], date(2020, 1, 1), TODAY)
    liquidations = BY_NAME["liquidationSnapshot"]
    assert "ended with 2024-03-31" in outside(liquidations, date(2024, 1, 1), TODAY)
    assert outside(BY_NAME["klines"], date(2020, 1, 1), TODAY) == ""


@pytest.mark.parametrize(
    ("series", "first", "today", "words"),
    [
        ("klines", "2026-11-20", "2026-11-21", "a day's file comes on the next day"),
        ("klines", "2026-11-18", "2026-11-21", "not traded then, or a hole"),
        # The first Monday of November 2026 is the 2nd.
        ("fundingRate", "2026-10-01", "2026-11-03", "not published yet; a month's file"),
        ("fundingRate", "2026-10-01", "2026-11-04", "not traded then, or a hole"),
        ("fundingRate", "2026-11-01", "2026-11-21", "a month's file comes about the first Monday"),
        ("liquidationSnapshot", "2024-01-01", "2026-11-21", "taken these files out"),
    ],
)
def test_why_a_file_is_likely_missing(series, first, today, words):
    first, today = date.fromisoformat(first), date.fromisoformat(today)
    stop = first + timedelta(days=1)
    archive = next(archives(BY_NAME[series], "BTCUSDT", "5m", first, stop))
    assert words in why_missing(archive, today)


def test_kinds_may_be_named_as_the_archive_does_or_as_we_do():
    assert [s.name for s in parse_series("klines, metrics,candles,FUNDING")] == [
        "klines",
        "metrics",
        "fundingRate",
    ]


@pytest.mark.parametrize("text", ["", ",", "klines,indexPriceKlines", "kline"])
def test_an_unknown_kind_is_told_which_there_are(text):
    with pytest.raises(ValueError, match=r"--kinds must be some of klines, markPriceKlines, met"):
        parse_series(text)


def test_symbols_are_spelled_as_the_archive_does():
    assert parse_symbol(" btcusdt ") == "BTCUSDT"
    assert parse_symbol("1000PEPEUSDT") == "1000PEPEUSDT"
    assert parse_symbol("BTCUSDT_240329") == "BTCUSDT_240329"


@pytest.mark.parametrize(
    "text",
    ["", "BTC/USDT", "BTC-USDT", "../../etc", "BTC USDT", "BTCÜSDT", "X" * 31, "BTC?a", "%2e"],
)
def test_odd_characters_in_a_symbol_are_refused(text):
    with pytest.raises(ValueError, match=r"--symbol must be letters and digits, as BTCUSDT"):
        parse_symbol(text)


@pytest.mark.parametrize("text", ["BTCUSD_PERP", "btcusd_240329"])
def test_contracts_of_dollars_are_refused(text):
    with pytest.raises(ValueError, match="counts contracts of 10 or 100 USD"):
        parse_symbol(text)


def test_intervals_are_those_of_candles():
    assert check_interval("1mo") == "1mo"
    with pytest.raises(ValueError, match=r"--interval must be one of 1m, 3m, 5m.* but is '7m'"):
        check_interval("7m")


def test_a_range_ends_today_unless_told():
    assert parse_range("2026-11-01", None, TODAY) == (date(2026, 11, 1), TODAY)


@pytest.mark.parametrize(
    ("start", "stop", "words"),
    [
        ("2026-01-02", "2026-01-02", "--start must be before --stop"),
        ("2026-01-03", "2026-01-02", "--start must be before --stop"),
        ("2026-11-21", None, "--start must be before today, 2026-11-21"),
        ("2026-01-01", "2026-11-22", "--stop must be at most today, 2026-11-21"),
        ("2026-02-30", None, "--start must be a day that there is"),
        ("yesterday", None, "--start must be a day, as 2024-01-31, but is 'yesterday'"),
        ("20260101", None, "--start must be a day, as 2024-01-31"),
        ("2026-01-01", "٢٠٢٦-01-02", "--stop must be a day, as 2024-01-31"),
    ],
)
def test_a_range_that_can_not_be_is_refused(start, stop, words):
    with pytest.raises(ValueError, match=words):
        parse_range(start, stop, TODAY)


def test_files_that_meet_are_one_span():
    january = archives(BY_NAME["metrics"], "BTCUSDT", "", date(2024, 1, 1), date(2024, 1, 4))
    later = archives(BY_NAME["metrics"], "BTCUSDT", "", date(2024, 1, 6), date(2024, 1, 7))
    assert spans([*later, *january]) == [
        (date(2024, 1, 1), date(2024, 1, 4)),
        (date(2024, 1, 6), date(2024, 1, 7)),
    ]
