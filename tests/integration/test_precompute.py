"""Snapshots computed in days: whole, from a checkpoint, after a change, all the same."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from app.errors import NoData
from app.markets import load_market
from engine.grid import step_edges
from engine.heatmap import rasterise
from engine.models import find_model
from engine.profiles import parse_profile
from ingest import snapshots
from ingest.store import Store
from tests.snapshot_stores import DAY_BARS, add_part, assert_same_rows, job, precompute, rows_of
from tests.stores import START, STEP, memory_store, times

MODELS = ["turnover", "time-evolving"]
BARS = 1300  # four days and a half


@pytest.fixture(scope="module")
def whole():
    """Databases with all of the market, computed at once, by model."""
    stores = {}
    for name in MODELS:
        stores[name] = memory_store()
        add_part(stores[name], 0, BARS)
        precompute(stores[name], job(model=find_model(name)))
    yield stores
    for store in stores.values():
        store.close()


@pytest.fixture
def store():
    with memory_store() as store:
        yield store


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    "splits",
    [(1,), (150,), (2 * DAY_BARS,), (2 * DAY_BARS + 1,), (700,), (290, 300, 865, 1290), (1299,)],
)
def test_going_on_from_a_checkpoint_equals_computing_all_at_once(store, whole, name, splits):
    wanted = job(model=find_model(name), incremental=True)
    bounds = [0, *splits, BARS]
    for start, stop in pairwise(bounds):
        add_part(store, start, stop)
        try:
            outcome = precompute(store, wanted)
        except NoData:
            assert stop == 1  # the only bar's end is where the book begins
            continue
        assert outcome.note == ""
    assert_same_rows(store, whole[name])


def test_going_on_reads_and_computes_the_new_days_only(store, monkeypatch):
    add_part(store, 0, 3 * DAY_BARS + 50)
    first = precompute(store, job(incremental=True))
    assert [piece.start for piece in first.computed] == [
        START + k * snapshots.DAY for k in range(4)
    ]
    add_part(store, 3 * DAY_BARS + 50, BARS)
    starts = []
    bars = Store.bars
    monkeypatch.setattr(
        Store, "bars", lambda self, *args: starts.append(args[2]) or bars(self, *args)
    )
    second = precompute(store, job(incremental=True))
    # The bars around midnight are missing: what comes after the last one before is read.
    assert starts == [START + 860 * STEP]
    assert [piece.start for piece in second.computed] == [START + k * snapshots.DAY for k in (3, 4)]
    assert second.present == 3


@pytest.mark.parametrize("incremental", [False, True])
def test_a_second_run_computes_nothing(store, monkeypatch, incremental):
    add_part(store, 0, BARS)
    precompute(store, job())
    before = rows_of(store)
    monkeypatch.setattr(Store, "bars", None)
    outcome = precompute(store, job(incremental=incremental))
    assert (outcome.computed, outcome.present, outcome.rows) == ((), 5, 0)
    assert rows_of(store) == before


def test_bars_within_the_last_interval_change_nothing(store):
    add_part(store, 0, 12 * 30 + 1)
    precompute(store, job())
    add_part(store, 12 * 30 + 1, 12 * 30 + 11)
    assert precompute(store, job()).computed == ()
    add_part(store, 12 * 30 + 11, 12 * 31)
    assert len(precompute(store, job()).computed) == 1


@pytest.mark.parametrize("incremental", [False, True])
@pytest.mark.parametrize("changed_day", [0, 2])
def test_a_changed_past_is_noticed_and_computed_anew_from_there(store, incremental, changed_day):
    add_part(store, 0, BARS)
    precompute(store, job())
    store.add_open_interest(
        {
            "exchange": "binance",
            "symbol": "BTCUSDT",
            "time": times(1, offset=changed_day * DAY_BARS + 20) + np.timedelta64(5, "s"),
            "open_interest": np.array([1500.0]),
        }
    )
    outcome = precompute(store, job(incremental=incremental))
    assert outcome.present == changed_day
    assert len(outcome.computed) == 5 - changed_day
    assert ("has changed since the last run" in outcome.note) == incremental
    with memory_store() as other:
        add_part(other, 0, BARS)
        with store.cursor() as cursor:
            (row,) = cursor.execute(
                "SELECT time FROM open_interest WHERE open_interest = 1500"
            ).fetchall()
        other.add_open_interest(
            {
                "exchange": "binance",
                "symbol": "BTCUSDT",
                "time": np.array([row[0]], "datetime64[us]"),
                "open_interest": np.array([1500.0]),
            }
        )
        precompute(other, job())
        assert_same_rows(store, other)


def test_a_sample_that_comes_late_after_midnight_does_not_change_the_checkpoints_past(store):
    add_part(store, 0, 2 * DAY_BARS)
    precompute(store, job())
    midnight = times(1, offset=2 * DAY_BARS) + np.timedelta64(7, "s")
    market = {"exchange": "binance", "symbol": "BTCUSDT"}
    store.add_open_interest(market | {"time": midnight, "open_interest": np.array([900.0])})
    add_part(store, 2 * DAY_BARS + 1, 2 * DAY_BARS + 50)
    outcome = precompute(store, job(incremental=True))
    assert outcome.note == ""
    assert [piece.start for piece in outcome.computed] == [
        START + k * snapshots.DAY for k in (1, 2)
    ]


@pytest.mark.parametrize(
    "add",
    [
        lambda store: store.add_leverage_tiers(
            {
                "exchange": "binance",
                "symbol": "BTCUSDT",
                "valid_from": np.array(["2020-01-01"], "datetime64[us]"),
                "floor": np.array([0.0]),
                "cap": np.array([1e12]),
                "max_leverage": np.array([20.0]),
                "maintenance_rate": np.array([0.02]),
            }
        ),
        lambda store: store.add_mark_candles(
            {
                "exchange": "binance",
                "symbol": "BTCUSDT",
                "interval": STEP,
                "open_time": times(5),
                **dict.fromkeys(("open", "high", "low", "close"), np.full(5, 5e4)),
            }
        ),
    ],
)
def test_new_rules_and_new_marks_of_old_days_are_noticed(store, add):
    add_part(store, 0, 600)
    precompute(store, job())
    add(store)
    outcome = precompute(store, job(incremental=True))
    assert outcome.present == 0
    assert "has changed since the last run" in outcome.note


def test_another_program_replaces_all(store, monkeypatch):
    add_part(store, 0, 600)
    monkeypatch.setattr("app.precompute.run.program_version", lambda: "older")
    precompute(store, job())
    monkeypatch.undo()
    outcome = precompute(store, job(incremental=True))
    assert "another version of the program" in outcome.note
    with memory_store() as other:
        add_part(other, 0, 600)
        precompute(other, job())
        new = {table: [row[1:] for row in rows] for table, rows in rows_of(store).items()}
        assert new == {table: [row[1:] for row in rows] for table, rows in rows_of(other).items()}


def test_a_damaged_checkpoint_is_computed_anew(store, whole, caplog):
    add_part(store, 0, 600)
    precompute(store, job())
    with store.transaction() as cursor:
        cursor.execute("UPDATE snapshot_checkpoints SET content = content[1:1000]")
    add_part(store, 600, BARS)
    assert "checkpoint is damaged" in precompute(store, job(incremental=True)).note
    assert_same_rows(store, whole["turnover"])


def test_events_are_added_to_days_without_them(store, whole):
    add_part(store, 0, BARS)
    precompute(store, job(events=False))
    assert rows_of(store)["position_events"] == []
    assert len(precompute(store, job()).computed) == 5
    assert_same_rows(store, whole["turnover"])
    assert precompute(store, job(events=False)).computed == ()


def test_days_can_be_computed_one_after_the_other(store, whole):
    add_part(store, 0, BARS)
    for day in (3, 1):
        start = START + timedelta(days=day, hours=5)
        outcome = precompute(store, job(start=start, stop=start + STEP))
        assert [piece.start for piece in outcome.computed] == [START + timedelta(days=day)]
    assert precompute(store, job()).present == 2
    assert_same_rows(store, whole["turnover"])


def test_a_stop_is_between_pieces_and_keeps_what_is_done(store, whole):
    add_part(store, 0, BARS)
    seen = []
    with pytest.raises(KeyboardInterrupt):
        precompute(store, job(), computed=seen.append, stopped=lambda: len(seen) == 2)
    assert len(rows_of(store)["snapshot_pieces"]) == 2
    assert precompute(store, job()).present == 2
    assert_same_rows(store, whole["turnover"])


def test_rows_have_one_key(whole):
    for store in whole.values():
        with store.cursor() as cursor:
            for table, key in (
                ("liquidation_snapshots", "series_id, timestamp, price_bucket, side"),
                ("snapshot_totals", "series_id, timestamp"),
                ("snapshot_pieces", "series_id, start"),
            ):
                found = cursor.execute(
                    f"SELECT count(*), count(DISTINCT ({key})) FROM {table}"
                ).fetchone()
                assert found[0] == found[1] > 0


@pytest.mark.parametrize("name", MODELS)
def test_snapshots_hold_what_the_book_draws(whole, name):
    store = whole[name]
    book = book_of(store, name)
    times = step_edges(book.open_time[0], book.stop, timedelta(hours=1))[:-1]
    edges = np.arange(0, 601) * 250.0
    drawn = rasterise(book, times, edges)
    totals = rows_of(store)["snapshot_totals"]
    assert [row[1] for row in totals] == times[1:].tolist()
    assert [row[2] for row in totals] == drawn.open_interest.tolist()
    names = [f"{sums}" for sums in ("opened", "closed", "liquidated", "tracked")]
    for k, sums in enumerate(names):
        for side in range(2):
            stored = [row[3 + 2 * k + side] for row in totals]
            assert_allclose(stored, getattr(drawn, sums)[side], rtol=1e-12)
    cells = np.zeros((2, *drawn.active.shape))
    for row in rows_of(store)["liquidation_snapshots"]:
        side = ("long", "short").index(row[5])
        column = np.searchsorted(times, np.datetime64(row[1])) - 1
        cells[:, side, round(row[4] / 250.0), column] = row[6:]
    least = 1e-11 * drawn.open_interest.max() * edges[-1]
    assert_allclose(cells[0], drawn.active, rtol=1e-9, atol=least)
    assert_allclose(cells[1], drawn.consumed, rtol=1e-9, atol=least)


@pytest.mark.parametrize("name", MODELS)
def test_events_tie_to_what_is_tracked_at_any_time(whole, name):
    book = book_of(whole[name], name)
    ends = (book.open_time + np.timedelta64(book.interval)).tolist()
    balance = {(side, end): 0.0 for side in ("long", "short") for end in ends}
    leverages = set()
    for row in rows_of(whole[name])["position_events"]:
        _, time, _, _, side, event, price, quantity, leverage = row
        balance[side, time] += quantity if event == "opened" else -quantity
        assert price > 0.0
        assert quantity > 0.0
        assert (leverage is None) == (event == "closed")
        leverages.add(leverage)
    assert leverages - {None} <= set(book.parameters.profile.leverage)
    # Events end with the last whole hour.
    written = sum(end <= max(time for (_, time), net in balance.items() if net) for end in ends)
    for side, name in enumerate(("long", "short")):
        held = np.cumsum([balance[name, end] for end in ends])[:written]
        assert_allclose(held, book.ledger.held[1 : written + 1, side], rtol=1e-9, atol=1e-9)


def test_nearest_closings_tie_as_well(store):
    nearest = replace(find_model("time-evolving").parameters, closing="nearest")
    model = replace(find_model("time-evolving"), parameters=nearest)
    add_part(store, 0, 600)
    precompute(store, job(model=model))
    rows = rows_of(store)
    opened, closed, liquidated = (
        sum(row[7] for row in rows["position_events"] if row[5] == event)
        for event in ("opened", "closed", "liquidated")
    )
    assert liquidated > 0.0
    assert_allclose(opened - closed - liquidated, sum(rows["snapshot_totals"][-1][-2:]), rtol=1e-9)


def test_series_of_other_models_profiles_and_grids_stand_beside_each_other(store):
    add_part(store, 0, 400)
    changes = (
        {},
        {"model": find_model("time-evolving")},
        {"model": find_model("turnover", profile=parse_profile("10:1,20:2"))},
        {"model": find_model("turnover", side_rule="taker")},
        {"interval": timedelta(minutes=30)},
        {"width": 500.0},
        {"width": None, "bins": 100},
        {"width": None, "bins": 200},
    )
    for change in changes:
        assert len(precompute(store, job(**change)).computed) == 2
    for change in changes:
        assert precompute(store, job(**change)).computed == ()
    assert len(rows_of(store)["snapshot_series"]) == len(changes)


def test_the_width_stays_when_the_range_of_prices_grows(store):
    add_part(store, 0, 300)
    first = precompute(store, job(width=None, bins=400))
    add_part(store, 300, BARS)
    assert precompute(store, job(width=None, bins=400)).series.width == first.series.width


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"interval": timedelta(minutes=7)}, "bars of 5m, .* must be a multiple .* but is 420s"),
        ({"interval": timedelta(minutes=1)}, "but is 1m"),
        ({"interval": timedelta(days=3)}, "divide the day, but is 3d"),
        ({"width": 1e-4}, "too narrow for the levels of BTCUSDT .* must be at least 0.05"),
        ({"width": 1e-9}, "too narrow for the levels of BTCUSDT .* must be at least 0.05"),
        ({"width": 5e-324}, "too narrow for the levels of BTCUSDT"),
        ({"model": find_model("turnover", profile=parse_profile("200:1"))}, "nothing at or below"),
    ],
)
def test_jobs_that_cannot_be_say_why(store, changes, message):
    add_part(store, 0, 300)
    with pytest.raises(ValueError, match=message):
        precompute(store, job(**changes))
    assert rows_of(store)["snapshot_series"] == []


def test_nothing_in_the_range_says_what_there_is(store):
    add_part(store, 0, 300)
    with pytest.raises(NoData, match="there are data from 2026-01-01 00:00 to 2026-01-02 01:00"):
        precompute(store, job(start=START + timedelta(days=9)))
    with pytest.raises(NoData, match="Nothing is stored for binance BTCUSDT in that range"):
        precompute(store, job(stop=START - timedelta(days=9)))


def book_of(store, name):
    bars = store.bars("binance", "BTCUSDT", START, START + BARS * STEP)
    return find_model(name).build_book(load_market(store, bars))


def test_whole_days_are_equal_to_the_last_digit_in_every_grid(whole):
    """Each row's price is a multiple of the width, as every other piece computes it."""
    prices = np.array([row[4] for row in rows_of(whole["turnover"])["liquidation_snapshots"]])
    assert_array_equal(prices, np.rint(prices / 250.0) * 250.0)
