"""Scores of stored markets whose liquidations are known to follow a model's map, or not to."""

from datetime import timedelta

import numpy as np
import pytest

from app.assumptions import Assumptions
from app.demo import build_demo
from app.errors import NoData
from app.score_data import load_period
from app.scores import COMPLETENESS, Scores, recoveries, skill_badge
from engine.models import MODELS
from engine.score import Verdict
from ingest.positions import add_observed_positions
from ingest.records import ObservedPosition
from ingest.store import Store
from tests.scored_store import (
    DAYS,
    REPORTED,
    START,
    STEP,
    STOP,
    add_bars,
    add_liquidations,
    known_store,
)

TURNOVER = Assumptions(model="turnover")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
PARTS = ("when", "amount", "where", "positions", "zones", "calibration")


def scored(store, start=None, stop=None, assumptions=TURNOVER):
    scores = Scores(store, warmup_days=30)
    (market,) = scores.markets("BTCUSDT")
    return scores.score(scores.load(market, start, stop), assumptions)


def loaded(store, start=START, stop=STOP, exchange="binance"):
    (market,) = (m for m in store.markets() if m.exchange == exchange)
    return load_period(store, market, start, stop, warmup_days=30)


@pytest.fixture(scope="module")
def store():
    with known_store() as store:
        yield store


@pytest.fixture
def store_of_bars():
    with Store.open(":memory:") as store:
        add_bars(store, days=15)
        yield store


@pytest.fixture(scope="module")
def record(store):
    return scored(store)


def test_a_known_signal_is_found(record):
    assert record.when.verdict.answer == "yes"
    assert record.when.strongest.both.low > 0.3
    assert record.amount.verdict.answer == "yes"
    assert record.calibration.both.value == pytest.approx(REPORTED, rel=0.1)
    assert 40 <= record.calibration.days < DAYS - 10  # the last one ends with its last event
    assert record.feed.events > 1000
    assert record.feed.recorded == pytest.approx(1.0, abs=0.1)
    assert record.feed.completeness == COMPLETENESS["binance"]
    assert (record.exchange, record.symbol, record.model) == ("binance", "BTCUSDT", "turnover")
    # The first bar is where open interest begins.
    assert timedelta(0) <= record.scored_from - START - 10 * DAY <= HOUR
    assert 0.0 < record.mapped_share <= 1.0


def test_liquidations_at_other_times_show_nothing():
    with known_store(later=3.5) as store:
        record = scored(store)
    assert record.when.verdict.answer == "not shown"
    assert record.when.alone.both.value < 0.2
    assert record.amount.verdict.answer == "not shown"


def test_what_came_later_changes_nothing(record, store):
    stop = START + 45 * DAY
    with Store.open(":memory:") as short:
        add_bars(short, only=slice(45 * 48))
        rows = store.liquidations("binance", "BTCUSDT", START, stop)
        names = ("time", "side", "quantity", "price")
        market = {"exchange": "binance", "symbol": "BTCUSDT"}
        short.add_liquidations(market | {name: rows[name] for name in names})
        known_then = scored(short)
    known_now = scored(store, stop=stop)
    for part in PARTS:
        assert getattr(known_then, part) == getattr(known_now, part), part
    assert known_now.when != record.when


def test_a_bar_that_goes_on_after_the_stop_is_left_out(store):
    stop = START + 20 * DAY
    last = loaded(store, stop=stop + STEP / 2).market.open_time[-1]
    assert last + np.timedelta64(STEP) == np.datetime64(stop.replace(tzinfo=None))


def test_a_period_is_scored_from_its_start_with_the_bars_before_it(store):
    record = scored(store, start=START + 25 * DAY)
    assert record.scored_from == START + 25 * DAY
    assert record.when.periods < 36 * 24


def test_without_liquidations_and_positions_it_says_how_to_get_some():
    with Store.open(":memory:") as store:
        add_bars(store)
        with pytest.raises(NoData, match=r'No liquidations of BTCUSDT.*"liqheat collect --symbols'):
            scored(store)


def test_on_too_little_there_is_no_verdict_but_advice():
    with Store.open(":memory:") as store:
        add_bars(store, days=15)
        add_liquidations(store)
        record = scored(store)
    for part in (record.when, record.amount, record.calibration):
        assert isinstance(part, Verdict)
    first, positions, bars = record.missing
    assert "no verdict" in first
    assert "liqheat collect --symbols BTCUSDT" in first
    assert "LIQHEAT_HYPERLIQUID_USERS" in positions
    assert "liqheat backfill --exchange binance --symbol BTCUSDT" in bars


def test_before_a_map_is_warm_nothing_is_scored():
    with Store.open(":memory:") as store:
        add_bars(store, days=9)
        add_liquidations(store)
        record = scored(store)
    for part in (record.when, record.amount, record.where):
        assert isinstance(part, Verdict)
    assert record.positions is None
    assert record.scored_from is None
    assert record.mapped_share is None
    assert "Only 0 days have bars" in record.missing[-1]


def test_a_day_without_liquidations_counts_as_not_recorded():
    with Store.open(":memory:") as store:
        add_bars(store)
        market = {"exchange": "binance", "symbol": "BTCUSDT", "side": np.array([1] * 4, np.int8)}
        hours = np.array([0, 10, 40, 45])
        time = np.datetime64(START.replace(tzinfo=None), "us") + hours * np.timedelta64(1, "h")
        amounts = {"quantity": np.arange(1.0, 5.0), "price": np.full(4, 5e4)}
        store.add_liquidations(market | {"time": time} | amounts)
        period = loaded(store, stop=START + 2 * DAY)
    spans = (period.liquidations.recorded - time[0]) / np.timedelta64(1, "h")
    np.testing.assert_allclose(spans, [[0, 10], [40, 45]], atol=1e-6)
    assert period.recorded == pytest.approx(15 / 48, abs=1e-6)


def test_bankruptcy_prices_become_the_prices_that_triggered():
    with Store.open(":memory:") as store:
        add_bars(store, "bybit")
        store.add_liquidations(
            {
                "exchange": "bybit",
                "symbol": "BTCUSDT",
                "time": np.datetime64("2026-01-02", "us") + np.arange(3) * np.timedelta64(1, "h"),
                "side": np.array([1, -1, 1], np.int8),
                "quantity": np.ones(3),
                "price": np.array([100.0, 100.0, 100.0]),
                "price_kind": np.array(["bankruptcy", "bankruptcy", "bankruptcy"], object),
                "trigger_price": np.array([np.nan, np.nan, 101.0]),
            }
        )
        period = loaded(store, exchange="bybit")
    rate = period.market.margin[-1].tiers[0].maintenance_rate
    expected = [100.0 / (1.0 - rate), 100.0 / (1.0 + rate), 101.0]
    np.testing.assert_allclose(period.liquidations.price, expected)


def observed(user, side, price, first, *later):
    return [
        ObservedPosition(
            exchange="hyperliquid",
            symbol="BTCUSDT",
            user=user,
            side=side,
            quantity=1.0,
            entry_price=50_000.0,
            leverage=10.0,
            isolated=True,
            liquidation_price=price,
            margin=5_000.0,
            time=time,
        )
        for time in (first, *later)
    ]


def test_positions_are_observed_once_an_hour_and_count_once_a_user_and_side():
    first = START + 12 * DAY + timedelta(minutes=20)
    with Store.open(":memory:") as store:
        add_bars(store)
        add_observed_positions(store, observed("a", 1, 45_000.0, first, first + 2 * HOUR))
        add_observed_positions(store, observed("a", 1, 44_000.0, first + 3 * HOUR))
        add_observed_positions(store, observed("b", -1, None, first))
        seen = loaded(store).positions
    minutes = (seen.time - np.datetime64(first.replace(tzinfo=None), "us")) / np.timedelta64(1, "m")
    assert sorted(minutes.tolist()) == [0, 0, 40, 100, 180]
    assert len(set(seen.holder[seen.side == 1])) == 1
    assert len(set(seen.holder)) == 2
    assert np.isnan(seen.liquidation_price[seen.side == -1]).all()
    assert sorted(seen.liquidation_price[seen.side == 1]) == [44_000.0] + [45_000.0] * 3


def test_positions_are_scored_without_liquidations():
    with Store.open(":memory:") as store:
        add_bars(store)
        for hour in range(40):
            first = START + 12 * DAY + 5 * hour * HOUR
            add_observed_positions(
                store, observed(f"u{hour}", 1, 45_000.0, first, first + 9 * HOUR)
            )
        record = scored(store)
    assert record.when is None
    assert record.positions is not None
    assert "No liquidations" in record.missing[0]


def test_the_last_score_is_kept_and_told_in_one_line(tmp_path):
    with known_store(tmp_path / "market") as store:
        assert skill_badge(store, "BTCUSDT", ["binance"], TURNOVER) == "not measured on your data"
        before = store.watermark()
        scores = Scores(store, warmup_days=30)
        (market,) = scores.markets("BTCUSDT")
        record = scores.current(market, TURNOVER)
        assert store.watermark() == before
    with Store.open(tmp_path / "market", read_only=True) as store:
        assert Scores(store, 30).last("BTCUSDT", (), TURNOVER) == [record]
        told = skill_badge(store, "BTCUSDT", ["binance"], TURNOVER)
        assert told.startswith("knows more than where price and volume were: yes, +.")
        assert told.endswith(f"{record.when.periods:,} bars of 4 h to {record.stop:%Y-%m-%d}")
        assert skill_badge(store, "BTCUSDT", [], TURNOVER) == f"binance: {told}"
        other = Assumptions(model="turnover", turnover=0.5)
        assert skill_badge(store, "BTCUSDT", [], other) == "not measured on your data"


def test_a_fresh_score_is_not_computed_again_until_there_are_later_data():
    with known_store() as store:
        scores = Scores(store, warmup_days=30)
        (market,) = scores.markets("BTCUSDT")
        first = scores.current(market, TURNOVER)
        assert scores.current(market, TURNOVER) == first
        add_bars(store, days=DAYS + 1)
        (market,) = scores.markets("BTCUSDT")
        assert scores.current(market, TURNOVER).stop == STOP + DAY


def test_a_score_of_another_period_is_not_the_one_of_the_latest_data():
    with known_store() as store:
        scores = Scores(store, warmup_days=30)
        (market,) = scores.markets("BTCUSDT")
        scores.keep(scores.score(scores.load(market, STOP - 20 * DAY, None, TURNOVER), TURNOVER))
        assert scores.current(market, TURNOVER).start < STOP - 20 * DAY


def test_a_fresh_score_is_computed_again_when_earlier_data_have_come(store_of_bars):
    scores = Scores(store_of_bars, warmup_days=30)
    (market,) = scores.markets("BTCUSDT")
    add_liquidations(store_of_bars)
    known = scores.current(market, TURNOVER)
    old = known.model_copy(update={"scored_at": known.scored_at - DAY, "when": None})
    scores.keep(old)
    assert scores.current(market, TURNOVER) == old
    scores.keep(old.model_copy(update={"data_watermark": "before they came"}))
    assert scores.current(market, TURNOVER).when == known.when


def test_every_model_is_held_against_the_truth_of_a_simulated_market(tmp_path):
    build_demo(tmp_path / "demo", days=12)
    with Store.open(tmp_path / "demo", read_only=True) as store:
        scores = Scores(store, warmup_days=30)
        (market,) = scores.markets("BTCUSDT", ["binance"])
        period = scores.load(market, None, None)
        assert period.recorded == pytest.approx(1.0)
        found = recoveries(store, period)
    # The simulated market has no funding rates.
    models = [name for name, model in MODELS.items() if not model.parameters.needs_funding]
    assert list(found) == ["the truth itself", *models, "geometry"]
    truth = found["the truth itself"]
    assert truth.distance == pytest.approx(0.0, abs=1e-9)
    assert truth.rank_correlation == pytest.approx(1.0)
    assert all(found[name].distance > 0.01 for name in models)


def test_a_real_markets_truth_is_not_known(store):
    with pytest.raises(NoData, match="is not known"):
        recoveries(store, loaded(store))
