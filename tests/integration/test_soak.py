"""Collection from exchanges that misbehave at random into a database, for a third of a minute."""

import asyncio
from itertools import islice

import numpy as np
import pytest
from rich.console import Console

from benchmarks.soak import Account, Plan, WatchedStore, report, soak
from tests.fake_exchange.clock import ManualClock
from tests.fake_exchange.exchanges import FAKES, FakeBybit
from tests.fake_exchange.running import liquidations


def test_all_that_is_delivered_is_stored_once_whatever_goes_wrong(tmp_path):
    run = asyncio.run(soak(Plan(minutes=1 / 3, rate=300, faults=60, renewal=60), tmp_path))
    assert (run.lost, run.doubled, run.account.under_way()) == (0, 0, 0)
    assert run.account.delivered == run.account.stored > 1000
    assert {health.exchange for health in run.health() if health.events} == set(FAKES)
    assert run.faults().total() > 5
    assert sum(health.renewals for health in run.health()) > 0
    assert sum(health.reconnects for health in run.health()) > 1
    assert sum(health.overflows for health in run.health()) == 0
    console = Console(record=True, width=160)
    report(run, console)
    assert "lost: 0, doubled: 0" in console.export_text()


@pytest.mark.parametrize(
    ("stored", "lost", "doubled"),
    [([0, 1, 2], 0, 0), ([0, 2], 1, 0), ([0, 1, 2, 3], 0, 1), ([3, 4], 3, 2), ([], 3, 0)],
)
def test_the_account_tells_what_is_missing_and_what_never_was(tmp_path, stored, lost, doubled):
    fake = FakeBybit(ManualClock())
    events = list(islice(liquidations(fake.clock), 5))
    fake.delivered += events[:3]
    with WatchedStore.open(tmp_path / "market") as store:
        account = Account(store, tmp_path / "delivered.csv")
        account.deliver(fake, 0.0)
        if stored:
            store.add_liquidations(columns([events[i] for i in stored]))
        account.take()
        assert account.under_way() == lost + doubled
        assert account.difference(store) == (lost, doubled)


def test_what_is_stored_already_counts_once(tmp_path):
    fake = FakeBybit(ManualClock())
    events = list(islice(liquidations(fake.clock), 3))
    fake.delivered += events
    with WatchedStore.open(tmp_path / "market") as store:
        account = Account(store, tmp_path / "delivered.csv")
        account.deliver(fake, 0.0)
        store.add_liquidations(columns(events))
        store.add_liquidations(columns(events[1:]))
        account.take()
        assert (account.stored, account.under_way()) == (3, 0)
        assert account.difference(store) == (0, 0)


def columns(events):
    return {
        "exchange": np.array(["bybit"] * len(events), dtype=object),
        "symbol": np.array([event.symbol for event in events], dtype=object),
        "time": np.array([event.time.replace(tzinfo=None) for event in events], "datetime64[us]"),
        "side": np.array([1 if event.long else -1 for event in events], np.int8),
        "quantity": np.array([float(event.quantity) for event in events]),
        "price": np.array([float(event.price) for event in events]),
    }
