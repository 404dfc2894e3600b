"""A run that is killed or stopped at any moment is completed by the next."""

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import duckdb
import pytest

from tests import fake_rest
from tests.fake_rest import EXCHANGES, NOW, silent

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 180
TABLES = ("candles", "mark_candles", "open_interest", "funding_rates", "leverage_tiers")

# Runs the command at a set time, and kills itself (as the kernel would, when memory is out) before
# or after one of its commits.
PROGRAM = """
import os, signal, sys
from contextlib import contextmanager
from datetime import datetime
import app.cli.backfill
from app.cli import main
from ingest.store import Store

now, point, number, *arguments = sys.argv[1:]
signal.signal(signal.SIGINT, signal.default_int_handler)
app.cli.backfill._now = lambda: datetime.fromisoformat(now)
begun, transaction = 0, Store.transaction

def die_at(name):
    if point == name and begun == int(number):
        os.kill(os.getpid(), signal.SIGKILL)

@contextmanager
def transaction_and_die(store, using=None):
    global begun
    begun += 1
    with transaction(store, using) as cursor:
        yield cursor
        die_at("before a commit")
    die_at("after a commit")

Store.transaction = transaction_and_die
main(arguments)
"""


def popen(servers, folder, *, point="", number=0):
    """Begin a run of the command in a process of its own."""
    command = [
        *("backfill", "--exchange", ",".join(EXCHANGES), "--symbol", "BTCUSDT"),
        *("--start", "2026-03-09", "--database", "market"),
    ]
    addresses = ",".join(f"{name}={rest.url}" for name, rest in servers.items())
    no_proxy = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, NOW.isoformat(), point, str(number), *command],
        cwd=folder,
        env=no_proxy | {"PYTHONPATH": str(ROOT), "LIQHEAT_REST_URLS": addresses},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.fixture
def servers():
    with fake_rest.serving() as served:
        yield served


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Return the database of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with fake_rest.serving() as served:
        run = popen(served, folder)
        _, err = run.communicate(timeout=DEADLINE)
    assert run.returncode == 0, err
    return folder / "market"


@pytest.fixture
def begin(servers, tmp_path):
    """Begin a run in the test's folder."""
    return partial(popen, servers, tmp_path)


@pytest.fixture
def finish(begin, tmp_path, undisturbed):
    """Check that a run completes what another one began, and ends as an undisturbed one."""

    def run():
        process = begin()
        _, err = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, err
        assert differences(tmp_path / "market", undisturbed) == []

    return run


def differences(one, other):
    """Return the names of tables whose rows are not the same in two databases."""
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"ATTACH '{one}' AS one (READ_ONLY)")
        connection.execute(f"ATTACH '{other}' AS other (READ_ONLY)")
        return [
            table
            for table in TABLES
            for a, b in (("one", "other"), ("other", "one"))
            if connection.execute(f"FROM {a}.{table} EXCEPT ALL FROM {b}.{table}").fetchone()
        ]


def until(condition):
    """Wait for a condition."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def rows(database):
    """Return how many rows there are in all tables."""
    with duckdb.connect(str(database), read_only=True) as connection:
        counts = [connection.execute(f"SELECT count(*) FROM {t}").fetchone() for t in TABLES]
    return sum(count for (count,) in counts)


@pytest.mark.parametrize("point", ["before a commit", "after a commit"])
@pytest.mark.parametrize("number", [1, 7, 15])
def test_a_run_killed_while_it_stores_is_completed(begin, finish, point, number):
    killed = begin(point=point, number=number)
    _, err = killed.communicate(timeout=DEADLINE)
    assert killed.returncode == -signal.SIGKILL, err
    finish()


def test_a_run_killed_while_it_asks_goes_on_after_the_last_page(begin, finish, servers, tmp_path):
    go_on = threading.Event()
    okx = servers["okx"]
    okx.answer("open-interest-history", *[fake_rest.serve] * 2, silent(go_on))
    killed = begin()
    try:
        until(lambda: okx.names().count("open-interest-history") == 3)
        killed.kill()
        killed.communicate(timeout=DEADLINE)
    finally:
        go_on.set()
    assert rows(tmp_path / "market") > 0
    okx.asked.clear()
    finish()
    names = okx.names()
    # Of 433 samples, 100 a page, two pages are stored; all candles are, but tiers need a price.
    assert names.count("open-interest-history") == 3
    assert names.count("history-candles") == 1
    assert "history-mark-price-candles" not in names


def test_an_interrupted_run_says_so_and_is_completed(begin, finish, servers):
    go_on = threading.Event()
    bybit = servers["bybit"]
    bybit.answer("open-interest", silent(go_on))
    run = begin()
    try:
        until(lambda: "open-interest" in bybit.names())
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=DEADLINE)
    finally:
        go_on.set()
    assert run.returncode == 130, err
    assert b"Stopped: what has come is stored, and the next run asks for the rest." in err
    assert b"Interrupted." in err
    assert b"Traceback" not in err
    finish()


def test_being_asked_to_wait_is_said_on_the_way(begin, finish, servers):
    servers["bybit"].answer("kline", fake_rest.status(429, b"slow down", Retry_After=0))
    run = begin()
    _, err = run.communicate(timeout=DEADLINE)
    assert run.returncode == 0, err
    assert b"Asking again in " in err
    assert b"answered 429 Too Many Requests, 'slow down'" in b" ".join(err.split())
    finish()
