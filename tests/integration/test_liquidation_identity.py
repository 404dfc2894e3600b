"""Which liquidations the database takes for one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ingest.batches import liquidation_columns
from ingest.records import Liquidation
from ingest.store import Store

TIME = datetime(2026, 9, 17, 18, 31, 38, 955_000, tzinfo=UTC)
ONE = Liquidation(
    exchange="bybit",
    symbol="BTCUSDT",
    side=1,
    quantity=0.5,
    price=60_000.0,
    price_kind="bankruptcy",
    trigger_price=60_240.0,
    notional=30_000.0,
    time=TIME,
    received=TIME + timedelta(seconds=1),
    key="",
)
OTHERS = {
    "exchange": "okx",
    "symbol": "ETHUSDT",
    "side": -1,
    "quantity": 0.5000001,
    "price": 60_000.1,
    "time": TIME + timedelta(milliseconds=1),
    "trade_id": 1,
}
SAME = {
    "price_kind": "fill",
    "trigger_price": None,
    "received": TIME + timedelta(hours=1),
    "key": "another",
}


def added(batches):
    """Return how many rows are stored of batches."""
    with Store.open(":memory:") as store:
        counts = [store.add_liquidations(liquidation_columns(batch)) for batch in batches]
        with store.cursor() as cursor:
            (rows,) = cursor.execute("SELECT count(*) FROM liquidations").fetchone()
    assert rows == sum(counts)
    return rows


@pytest.mark.parametrize("name", OTHERS)
def test_what_differs_in_one_of_these_is_another_liquidation(name):
    other = replace(ONE, **{name: OTHERS[name]})
    assert added([[ONE, other]]) == 2
    assert added([[ONE], [other]]) == 2


@pytest.mark.parametrize("name", SAME)
def test_what_differs_in_one_of_these_only_is_the_same(name):
    again = replace(ONE, **{name: SAME[name]})
    assert added([[ONE, again]]) == 1
    assert added([[ONE], [again], [ONE, again]]) == 1


def test_ids_are_told_apart_to_the_last_digit():
    twins = [replace(ONE, trade_id=each) for each in (0, 1, 2**53, 2**53 + 1, 2**63 - 1)]
    assert added([twins, [ONE], [*twins, ONE], twins[::-1]]) == 6
    with Store.open(":memory:") as store:
        store.add_liquidations(liquidation_columns([*twins, ONE]))
        found = store.liquidations(ONE.exchange, ONE.symbol, TIME, TIME + timedelta(seconds=1))
    assert found["trade_id"].tolist() == [-1, 0, 1, 2**53, 2**53 + 1, 2**63 - 1]


def test_what_is_stored_is_found_at_the_ends_of_a_batchs_span_and_within():
    minutes = [replace(ONE, time=TIME + timedelta(minutes=k)) for k in range(5)]
    assert added([minutes[1:4:2], minutes[1:4], minutes, minutes[::-1]]) == 5
