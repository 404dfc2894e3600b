"""``liqheat precompute`` as its user sees it."""

import os
import signal
import subprocess
import sys
from datetime import timedelta

import numpy as np
import pytest

from app.cli import main
from app.settings import Settings, variable
from ingest.store import Store
from tests.conftest import ROOT
from tests.snapshot_stores import DAY_BARS, add_part, rows_of
from tests.stores import times

BARS = 3 * DAY_BARS


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a database: two markets that can be mapped, one without open interest."""
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)
    monkeypatch.setenv("LIQHEAT_DATABASE", "market.duckdb")
    monkeypatch.chdir(tmp_path)
    with Store.open("market.duckdb") as store:
        add_part(store, 0, BARS, bars=BARS)
        add_part(store, 0, BARS, bars=BARS, exchange="bybit", seed=3)
        prices = dict.fromkeys(("open", "high", "low", "close", "volume"), np.ones(3))
        market = {"exchange": "okx", "symbol": "ETHUSDT", "interval": timedelta(minutes=5)}
        store.add_candles(market | {"open_time": times(3)} | prices)
    return tmp_path


@pytest.fixture
def liqheat(folder, capfd):
    """Run the command here: exit code, stdout, stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as exited:
            main(["precompute", *arguments])
        return exited.value.code or 0, *capfd.readouterr()

    return run


def test_all_markets_that_can_be_mapped_are_computed_and_a_second_run_has_nothing_to_do(liqheat):
    code, out, err = liqheat("--interval", "2h", "--events")
    assert (code, err.strip()) == (0, "")
    assert "binance BTCUSDT" in out
    assert "bybit BTCUSDT" in out
    with Store.open("market.duckdb") as store:
        rows = rows_of(store)
    assert {row[1] for row in rows["snapshot_series"]} == {"binance", "bybit"}
    assert len(rows["snapshot_totals"]) == 2 * (3 * 12 - 1)  # the last bars are missing
    assert rows["position_events"]
    code, out, _ = liqheat("--interval", "2h", "--incremental")
    assert (code, out) == (0, "Nothing new: all 6 days of 2 markets are there.\n")


def test_choices_are_taken(liqheat):
    width = ("--bucket-width", "500")
    model = ("--model", "time-evolving", "--profile", "10:1", "--side-rule", "symmetric")
    span = ("--start", "2026-01-02T05:00", "--stop", "2026-01-03")
    assert liqheat("--symbol", "btcusdt", "--exchanges", "Bybit", *width, *model, *span)[0] == 0
    with Store.open("market.duckdb") as store:
        rows = rows_of(store)
    ((_, exchange, symbol, text, seconds, bucket, bins),) = rows["snapshot_series"]
    assert (exchange, symbol, seconds, bucket, bins) == ("bybit", "BTCUSDT", 3600, 500.0, None)
    assert text == "time-evolving side_rule=symmetric profile=10.0:1.0"
    assert len(rows["snapshot_pieces"]) == 1


def test_a_changed_past_is_told_in_one_line(liqheat):
    assert liqheat("--exchanges", "binance")[0] == 0
    with Store.open("market.duckdb") as store:
        add_part(store, 100, 104, bars=BARS, seed=1)
        stamp = times(1, offset=10) + np.timedelta64(90, "s")
        market = {"exchange": "binance", "symbol": "BTCUSDT"}
        store.add_open_interest(market | {"time": stamp, "open_interest": np.array([5.0])})
    code, _, err = liqheat("--exchanges", "binance", "--incremental")
    assert code == 0
    assert err.strip() == (
        "binance BTCUSDT is computed anew: what is stored up to 2026-01-02 23:55 UTC has changed "
        "since the last run."  # the last bar of that day is missing
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--symbol", "DOGE"], 1, "Nothing is stored for DOGE in market.duckdb. Load candles"),
        (["--exchanges", "kraken"], 1, "Nothing is stored for any market on kraken; stored are"),
        (["--symbol", "ETHUSDT"], 1, "No open interest is stored for ETHUSDT on okx"),
        (["--interval", "7m"], 2, "interval must be one of"),
        (["--interval", "1w"], 2, "interval must divide the day, but is 1w"),
        (["--start", "2026-01-03", "--stop", "2026-01-02"], 2, "start must be before stop"),
        (["--start", "soon"], 2, "start must be a time like"),
        (["--model", "magic"], 2, "model must be one of"),
        (["--profile", "x"], 2, "a leverage profile is one of"),
        (["--bucket-width", "-1"], 2, "--bucket-width must be a positive price, but is -1"),
        (["--bucket-width", "nan"], 2, "--bucket-width must be a positive price, but is nan"),
        (["--start", "2027-01-01", "--exchanges", "bybit"], 1, "there are data from 2026-01-01"),
        (["--database", "none.duckdb"], 2, "There is no database none.duckdb yet"),
    ],
)
def test_what_cannot_be_is_a_sentence(liqheat, arguments, code, message):
    exit_code, out, err = liqheat(*arguments)
    assert (exit_code, out) == (code, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_a_market_that_cannot_be_computed_does_not_keep_the_others(liqheat):
    with Store.open("market.duckdb") as store:
        market = {"exchange": "gate", "symbol": "BTCUSDT"}
        day = times(300)
        prices = dict.fromkeys(("open", "high", "low", "close", "volume"), np.full(6, 5e4))
        coarse = market | {"interval": timedelta(hours=4), "open_time": day[::48][:6]}
        store.add_candles(coarse | {name: column[:6] for name, column in prices.items()})
        samples = {"time": day[::48][:6], "open_interest": np.full(6, 9.0)}
        store.add_open_interest(market | samples)
    code, out, err = liqheat()
    assert code == 1
    assert "Not computed: gate BTCUSDT: gate BTCUSDT has bars of 4h" in err
    assert "bybit BTCUSDT" in out


INTERRUPTED = """
import os, signal, sys
from app.precompute import run

compute_piece, seen = run.compute_piece, []

def interrupt(*arguments):
    seen.append(arguments)
    if len(seen) == 2:
        os.kill(os.getpid(), signal.SIGINT)
    return compute_piece(*arguments)

run.compute_piece = interrupt
from app.cli import main
main(["precompute"])
"""


def test_ctrl_c_stops_between_days_and_keeps_what_is_done(folder, liqheat):
    run = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=300,
    )
    assert run.returncode == 130, run.stderr
    assert (
        "Stopped: 2 of 6 days are stored, and the next run goes on with the others." in run.stderr
    )
    assert "Traceback" not in run.stderr
    with Store.open("market.duckdb") as store:
        assert len(rows_of(store)["snapshot_pieces"]) == 2
    assert liqheat()[0] == 0
    with Store.open("market.duckdb") as store:
        assert len(rows_of(store)["snapshot_pieces"]) == 6


def test_the_signal_handler_is_put_back(liqheat):
    before = signal.getsignal(signal.SIGINT)
    liqheat("--exchanges", "bybit")
    assert signal.getsignal(signal.SIGINT) is before
