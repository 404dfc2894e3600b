"""Positions that were observed, as they are stored."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ingest.positions import add_observed_positions, observed_positions
from ingest.records import LONG, SHORT, ObservedPosition
from ingest.store import Store
from tests.lakes import read, write

START = datetime(2026, 3, 10, 12, tzinfo=UTC)
EVER = START - timedelta(days=1), START + timedelta(days=30)
POSITION = ObservedPosition(
    exchange="hyperliquid",
    symbol="BTCUSDT",
    user="0xaa",
    side=LONG,
    quantity=0.5,
    entry_price=60_000.0,
    leverage=20.0,
    isolated=True,
    liquidation_price=57_721.5,
    margin=1500.0,
    time=START,
)


def at(minute, **changes):
    return replace(POSITION, time=START + timedelta(minutes=minute), **changes)


def spans(store, start=EVER[0], stop=EVER[1], symbol="BTCUSDT"):
    """Return first and last minute of the spans, their sides and quantities."""
    found = observed_positions(store, "hyperliquid", symbol, start, stop)
    minutes = [
        (
            (found[name] - np.datetime64(START.replace(tzinfo=None))) / np.timedelta64(1, "m")
        ).tolist()
        for name in ("first_seen", "last_seen")
    ]
    return list(zip(*minutes, found["side"].tolist(), found["quantity"].tolist(), strict=True))


@pytest.fixture
def store():
    with Store.open(":memory:") as store:
        yield store


def test_a_position_that_stays_is_one_span(store):
    assert add_observed_positions(store, [at(0)]) == 1
    assert add_observed_positions(store, [at(1)]) == 0
    assert add_observed_positions(store, [at(2), at(3)]) == 0
    assert spans(store) == [(0, 3, 1, 0.5)]


def test_all_that_is_known_of_a_span_is_returned(store):
    add_observed_positions(store, [at(0), at(0, user="0xbb", side=SHORT, liquidation_price=None)])
    found = observed_positions(store, "hyperliquid", "BTCUSDT", *EVER)
    assert found["user"].tolist() == ["0xaa", "0xbb"]
    assert found["isolated"].tolist() == [True, True]
    assert found["isolated"].dtype == bool
    np.testing.assert_array_equal(found["liquidation_price"], [57_721.5, np.nan])
    columns = ("entry_price", "leverage", "margin")
    assert [found[name].tolist() for name in columns] == [[60_000.0] * 2, [20.0] * 2, [1500.0] * 2]
    assert found["first_seen"].dtype == found["last_seen"].dtype == "datetime64[us]"


@pytest.mark.parametrize(
    "change",
    [
        {"side": SHORT},
        {"quantity": 0.6},
        {"liquidation_price": 57_700.0},
        {"liquidation_price": None},
    ],
)
def test_a_change_begins_another_span(store, change):
    add_observed_positions(store, [at(0)])
    assert add_observed_positions(store, [at(1, **change)]) == 1
    assert add_observed_positions(store, [at(2, **change)]) == 0
    first, second = spans(store)
    assert (first[:2], second[:2]) == ((0, 0), (1, 2))


def test_what_was_once_and_is_again_is_a_span_of_its_own(store):
    add_observed_positions(store, [at(0), at(1, quantity=0.6), at(2)])
    assert [one[:2] for one in spans(store)] == [(0, 0), (1, 1), (2, 2)]


def test_a_liquidation_price_that_drifts_by_a_little_is_the_same_until_it_is_far(store):
    # Of cross margin: prices of other positions move it all the time. A basis point is 5.77.
    for minute in range(10):
        add_observed_positions(store, [at(minute, liquidation_price=57_721.5 + minute)])
    assert [one[:2] for one in spans(store)] == [(0, 5), (6, 9)]


def test_users_and_markets_do_not_mix(store):
    rows = [at(0), at(0, user="0xbb"), at(0, symbol="ETHUSDT")]
    assert add_observed_positions(store, rows) == 3
    later = [at(1, user="0xbb"), at(1, symbol="ETHUSDT", quantity=1.0)]
    assert add_observed_positions(store, later) == 1
    assert [one[:2] for one in spans(store)] == [(0, 0), (0, 1)]
    assert [one[:2] for one in spans(store, symbol="ETHUSDT")] == [(0, 0), (1, 1)]


def test_what_is_stored_again_or_comes_late_changes_nothing(store):
    rows = [at(0), at(1), at(2)]
    add_observed_positions(store, rows)
    assert add_observed_positions(store, rows) == 0
    assert add_observed_positions(store, []) == 0
    assert spans(store) == [(0, 2, 1, 0.5)]


def test_spans_are_found_that_were_seen_in_a_range(store):
    add_observed_positions(store, [at(0), at(5)])
    minute = timedelta(minutes=1)
    assert spans(store, START + 2 * minute, START + 3 * minute)
    assert spans(store, START + 5 * minute, START + 9 * minute)
    assert not spans(store, START + 6 * minute, START + 9 * minute)
    assert not spans(store, START - 5 * minute, START)


def test_they_change_what_is_told_of_the_market_but_no_map(store):
    told = []
    store.listen(told.append)
    before = store.watermark(["hyperliquid"], "BTCUSDT")
    add_observed_positions(store, [at(0)])
    first, of_maps = (
        one(["hyperliquid"], "BTCUSDT") for one in (store.watermark, store.map_watermark)
    )
    add_observed_positions(store, [at(1)])
    assert len({before, first, store.watermark(["hyperliquid"], "BTCUSDT")}) == 3
    assert store.map_watermark(["hyperliquid"], "BTCUSDT") == of_maps
    assert [(one.symbol, one.table) for one in told] == [("BTCUSDT", "observed_positions")] * 2


def test_a_lake_lets_a_span_go_on(store, tmp_path):
    with Store.open(":memory:") as other:
        add_observed_positions(store, [at(0), at(1)])
        add_observed_positions(other, [at(0), at(1), at(2), at(3, quantity=0.6)])
        write(other, tmp_path / "lake")
        write(store, tmp_path / "older")
        assert read(store, tmp_path / "lake")["observed_positions"] == 2
        assert spans(store) == spans(other) == [(0, 2, 1, 0.5), (3, 3, 1, 0.6)]
        assert read(store, tmp_path / "lake")["observed_positions"] == 0
        assert read(store, tmp_path / "older")["observed_positions"] == 0
        assert spans(store) == spans(other)
