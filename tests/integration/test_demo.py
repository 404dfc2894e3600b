"""The demo market as a reader gets it: 60 days, nine markets, in a database."""

import hashlib
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from app.cli import main, simulate
from app.demo import DAYS, SEED, STOP, build_demo
from app.markets import load_market
from benchmarks.simulated import held
from engine.profiles import LeverageProfile
from engine.simulate import EXCHANGES, SYMBOLS, TRADERS, simulate_symbol
from engine.tiers import margin_rules
from engine.truth import stored_positions, true_liquidations
from ingest.store import Store, StoreError

ROOT = Path(__file__).parents[2]
START = STOP - timedelta(days=DAYS)
HASHES = """
import hashlib, sys
from datetime import datetime, UTC
from engine.simulate import simulate_symbol
made = simulate_symbol("ETHUSDT", start=datetime(2026, 1, 5, tzinfo=UTC), bars=300, seed=5)
digest = hashlib.sha256()
for one in made.values():
    for part in (one.market, one.positions, one.liquidations):
        for name in part.__slots__:
            value = getattr(part, name)
            digest.update(value.tobytes() if hasattr(value, "tobytes") else b"")
    digest.update(one.funding_rate.tobytes() + one.unlevered.tobytes())
assert "duckdb" not in sys.modules
print(digest.hexdigest())
"""


@pytest.fixture(scope="module")
def demo(demo_database):
    with Store.open(demo_database, read_only=True) as store:
        yield store


@pytest.fixture(scope="module", params=SYMBOLS)
def symbol(request):
    return request.param


@pytest.fixture(scope="module")
def simulated(symbol):
    bars = DAYS * 288
    return simulate_symbol(symbol, start=START, bars=bars, seed=SEED)


def test_the_same_seed_makes_the_same_bytes_in_every_process():
    runs = [
        subprocess.run(
            [sys.executable, "-c", HASHES],
            cwd=ROOT,
            env={"PYTHONHASHSEED": hash_seed, "TZ": zone, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    ]
    assert runs[0] == runs[1]
    assert len(runs[0].strip()) == hashlib.sha256().digest_size * 2


def test_nine_markets_are_stored_whole(demo):
    markets = demo.markets()
    assert {(m.exchange, m.symbol) for m in markets} == {(e, s) for e in EXCHANGES for s in SYMBOLS}
    assert {m.rows for m in markets} == {DAYS * 288}
    assert {m.first for m in markets} == {START}
    assert not any(found.gaps for found in demo.coverage())
    assert demo.is_simulated()


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_what_is_stored_is_what_was_simulated(demo, simulated, symbol, exchange):
    one = simulated[exchange]
    market = load_market(demo, demo.bars(exchange, symbol, START, STOP))
    for name in (
        "open_time",
        "open",
        "high",
        "low",
        "close",
        "volume",
        "quote_volume",
        "taker_buy_volume",
        "open_interest",
        "crossing_low",
    ):
        assert_array_equal(getattr(market, name), getattr(one.market, name))
    assert market.initial_open_interest == one.market.initial_open_interest
    stored = demo.liquidations(exchange, symbol, START, STOP)
    assert_allclose(stored["quantity"].sum(), one.liquidated.sum(), rtol=1e-9)
    assert stored["time"].size == one.liquidations.time.size
    funding = demo.funding_rates(exchange, symbol, START, STOP)
    assert_array_equal(funding["funding_rate"], one.funding_rate)
    assert market.margin[0].tiers == margin_rules(exchange, symbol)[0].tiers
    assert market.margin[0].closing_fee == margin_rules(exchange, symbol)[0].closing_fee


def test_the_stored_truth_is_every_position_with_a_liquidation_price(demo, simulated, symbol):
    truth = demo.simulated_positions("okx", symbol)
    known = np.isfinite(simulated["okx"].positions.liquidation_price)
    positions = simulated["okx"].positions.where(known)
    assert truth["opened"].size == len(positions)
    assert np.any(positions.backing > 1.0)
    assert_allclose(truth["quantity"].sum(), positions.quantity.sum())
    assert (truth["end_reason"] == "liquidated").sum() == positions.liquidated().sum()
    assert (truth["end_reason"] == "open").sum() == np.isnat(positions.ended).sum()


def test_the_stored_truth_tells_users_and_liquidations(demo, simulated, symbol):
    known = simulated["okx"].positions
    known = known.where(np.isfinite(known.liquidation_price))
    stored = stored_positions(demo.simulated_positions("okx", symbol))
    order = np.lexsort((known.user, known.opened))
    for name in ("opened", "ended", "reason", "side", "quantity", "liquidation_price"):
        assert_array_equal(getattr(stored, name), getattr(known, name)[order])
    began = known.opened[known.continues < 0].min()
    more = (known.continues >= 0)[order]
    assert_array_equal(stored.continues >= 0, more)
    assert began <= stored.opened.min()
    forced, expected = true_liquidations(stored), simulated["okx"].liquidations
    assert_array_equal(forced.time, expected.time)
    assert_array_equal(forced.quantity, expected.quantity)
    assert_allclose(forced.price, expected.price, atol=1.0 / SYMBOLS[symbol].ticks)


def test_positions_lie_as_near_the_price_as_real_ones(simulated):
    for one in simulated.values():
        found = held(one.positions, one.market)
        assert 0.17 < found["within 5 % of the price, of what is within 20 %"] < 0.40
        assert 0.20 < found["traders' share of open interest"] < 0.40


def test_a_few_of_those_with_cross_margin_are_liquidated(simulated):
    for one in simulated.values():
        forced = one.positions.where(one.positions.liquidated())
        cross = forced.backing > 1.0
        assert 0.01 < forced.quantity[cross].sum() / forced.quantity.sum() < 0.15


def test_the_market_looks_like_one(simulated, symbol):
    one = simulated["binance"]
    market, days = one.market, DAYS
    returns = np.diff(np.log(market.close))
    calm, size = np.abs(returns), returns.std()
    interest = market.open_interest
    traded = market.volume.reshape(days, -1).sum(axis=1)
    assert 0.001 < size < 0.004
    assert 6 < np.mean((returns - returns.mean()) ** 4) / size**4 < 60
    # Volatility clusters, returns do not, and volume comes with moves.
    assert np.corrcoef(calm[:-12], calm[12:])[0, 1] > 0.1
    assert abs(np.corrcoef(returns[:-1], returns[1:])[0, 1]) < 0.08
    assert 0.5 < np.corrcoef(calm, market.volume[1:])[0, 1] < 0.8
    assert interest.min() / SYMBOLS[symbol].open_interest > 0.7
    assert interest.max() / SYMBOLS[symbol].open_interest < 1.5
    assert 1.0 < np.median(traded) / np.median(interest) < 2.5
    assert 0.48 < market.taker_buy_volume.sum() / market.volume.sum() < 0.52
    by_hour = market.volume.reshape(days, 24, 12).sum(axis=(0, 2))
    assert by_hour.argmax() in (14, 15, 16)


def test_falls_come_with_cascades_of_liquidations(simulated):
    one = simulated["binance"]
    half_day = 144
    lowest = np.lib.stride_tricks.sliding_window_view(one.market.low, half_day).min(axis=1)
    fall = 1.0 - lowest / one.market.high[: lowest.size]
    assert 0.05 < fall.max() < 0.25
    share = one.liquidated[:, 0] / one.market.open_interest
    assert share.max() > 0.005
    # One forces the next: the half hour after the worst of all bars has many times the usual.
    worst = np.argsort(share)[-share.size // 100 :]
    after = [share[at + 1 : at + 7].mean() for at in worst if at < share.size - 6]
    assert np.mean(after) > 5.0 * share.mean()
    at = int(share.argmax())
    around = slice(at - 6, at + 7)
    assert one.market.low[around].min() < 0.985 * one.market.high[at - 12 : at].max()


def test_exchanges_have_their_sizes(simulated):
    sizes = {name: np.median(one.market.open_interest) for name, one in simulated.items()}
    for name, size in EXCHANGES.items():
        assert_allclose(sizes[name] / sizes["binance"], size, rtol=0.12)


def test_the_known_leverages_are_found_in_the_truth(simulated, symbol):
    for exchange, one in simulated.items():
        positions = one.positions
        begun = (positions.continues < 0) & (positions.opened >= one.market.open_time[0])
        leverage, count = np.unique(positions.leverage[begun], return_counts=True)
        expected: LeverageProfile = TRADERS.up_to(margin_rules(exchange, symbol)[0].max_leverage)
        assert tuple(leverage) == expected.leverage
        # Four standard deviations of a share.
        sampling = 4 * np.sqrt(np.array(expected.weight) / count.sum())
        assert np.all(np.abs(count / count.sum() - expected.weight) < sampling)


def test_a_simulated_market_is_replaced(tmp_path):
    path = tmp_path / "market.duckdb"
    told = []
    build_demo(path, seed=1, days=1, report=lambda *market: told.append(market))
    assert len(told) == 9
    with Store.open(path) as store:
        first = store.bars("okx", "BTCUSDT", STOP - timedelta(days=1), STOP).close
    build_demo(path, seed=2, days=1)
    with Store.open(path) as store:
        assert store.is_simulated()
        again = store.bars("okx", "BTCUSDT", STOP - timedelta(days=1), STOP).close
    assert first.size == again.size == 288
    assert np.any(first != again)
    assert [p.name for p in tmp_path.iterdir()] == ["market.duckdb"]


def test_other_data_are_left_alone(tmp_path):
    path = tmp_path / "market.duckdb"
    with Store.open(path) as store:
        store.add_open_interest(
            {
                "exchange": "binance",
                "symbol": "BTCUSDT",
                "time": np.array(
                    [np.datetime64(datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None))]
                ),
                "open_interest": np.array([1.0]),
            }
        )
    before = path.read_bytes()
    with pytest.raises(StoreError, match="holds other data than a simulated market"):
        build_demo(path, days=1)
    assert path.read_bytes() == before


def test_a_build_that_fails_leaves_nothing(tmp_path):
    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_demo(tmp_path / "new" / "demo.duckdb", days=1, report=stop)
    assert list((tmp_path / "new").iterdir()) == []


def test_the_command_builds_it_and_says_where(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exited:
        main(["simulate", "--days", "1", "--seed", "3", "--database", "made/demo.duckdb"])
    assert exited.value.code == 0
    assert capfd.readouterr().out == "The simulated market is in made/demo.duckdb\n"
    with Store.open(tmp_path / "made" / "demo.duckdb", read_only=True) as store:
        assert len(store.markets()) == 9


def test_the_command_offers_the_seed_and_days_of_the_demo():
    assert (simulate.SEED, simulate.DAYS) == (SEED, DAYS)
