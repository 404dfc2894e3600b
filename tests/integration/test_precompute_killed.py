"""A run that is killed leaves whole days only, and the next one goes on.

``KILLED_RUNS=10 pytest tests/integration/test_precompute_killed.py`` kills ten runs instead of two.
"""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from engine.models import find_model
from ingest.store import Store
from tests.conftest import ROOT
from tests.snapshot_stores import DAY_BARS, add_part, assert_same_rows, job, precompute, rows_of

DAYS = 8

# Says so when it begins to compute; one transaction for each day.
RUN = """
import sys
from app.precompute import run
from ingest.store import Store
from tests.integration.test_precompute_killed import wanted

run.GROUP = 1
with Store.open(sys.argv[1]) as store:
    plan = run.make_plan(store, store.markets()[0], wanted(incremental=True))
    print("ready", flush=True)
    run.carry_out(store, plan)
"""

# Kills itself within the transaction of one day, or right after it.
KILLED_IN_A_TRANSACTION = """
import os, signal, sys
from contextlib import contextmanager
from app.precompute import run
from ingest import snapshots
from ingest.store import Store
from tests.integration.test_precompute_killed import wanted
from tests.snapshot_stores import precompute

run.GROUP = 1
path, day, point = sys.argv[1:]
writing = 0

def die():
    os.kill(os.getpid(), signal.SIGKILL)

write_piece, write = snapshots.write_piece, snapshots.write

def write_piece_and_die(cursor, series, rows):
    global writing
    writing += 1
    write_piece(cursor, series, rows)
    if point == "within" and writing == int(day):
        die()

def write_and_die(*arguments):
    write(*arguments)
    if point == "after" and writing == int(day):
        die()

snapshots.write_piece, snapshots.write = write_piece_and_die, write_and_die
with Store.open(path) as store:
    precompute(store, wanted())
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A database that was computed without trouble, and how long that took [s]."""
    path = tmp_path_factory.mktemp("undisturbed") / "market.duckdb"
    fill(path)
    with Store.open(path) as store:
        precompute(store, wanted())
        began = time.monotonic()
        with store.transaction() as cursor:
            cursor.execute("DELETE FROM snapshot_pieces")
            for table in ("liquidation_snapshots", "snapshot_totals", "position_events"):
                cursor.execute(f"DELETE FROM {table}")
        precompute(store, wanted())
        yield store, time.monotonic() - began


@pytest.mark.parametrize("day", [1, 5, DAYS])
@pytest.mark.parametrize("point", ["within", "after"])
def test_a_run_killed_while_it_writes_leaves_whole_days(undisturbed, tmp_path, day, point):
    path = tmp_path / "killed.duckdb"
    fill(path)
    run = subprocess.run(
        [sys.executable, "-c", KILLED_IN_A_TRANSACTION, path, str(day), point],
        capture_output=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert run.returncode == -signal.SIGKILL, run.stderr.decode()
    with Store.open(path) as store:
        assert_whole_days(store, day - (point == "within"))
        assert precompute(store, wanted()).present == day - (point == "within")
        assert_same_rows(store, undisturbed[0])


@pytest.mark.parametrize("seed", range(int(os.environ.get("KILLED_RUNS", "2"))))
def test_runs_killed_at_any_moment_are_completed_by_the_next(undisturbed, tmp_path, seed):
    expected, seconds = undisturbed
    moments = random.Random(seed)  # the same ones each time
    path = tmp_path / "killed.duckdb"
    fill(path)
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", RUN, path],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        ) as run:
            assert run.stdout.readline() == b"ready\n"
            try:
                run.wait(timeout=moments.uniform(0.0, seconds / 2))
            except subprocess.TimeoutExpired:
                run.kill()
        with Store.open(path) as store:
            assert_whole_days(store, len(rows_of(store)["snapshot_pieces"]))
    with Store.open(path) as store:
        precompute(store, wanted(incremental=True))
        assert_same_rows(store, expected)


def wanted(**changes):
    """Return a job that makes few rows."""
    return job(model=find_model("time-evolving"), width=1000.0, **changes)


def fill(path):
    with Store.open(path) as store:
        add_part(store, 0, DAYS * DAY_BARS, bars=DAYS * DAY_BARS)


def assert_whole_days(store, days):
    """There are so many pieces, and the rows of just these."""
    rows = rows_of(store)
    pieces = rows["snapshot_pieces"]
    assert len(pieces) == days
    assert sum(piece[4] for piece in pieces) == len(rows["liquidation_snapshots"])
    spans = [(start, stop) for _, start, stop, *_ in pieces]
    for table in ("liquidation_snapshots", "snapshot_totals", "position_events"):
        times = {row[1] for row in rows[table]}
        assert all(any(start < time <= stop for start, stop in spans) for time in times)
        assert len({time.date() for time in times}) <= days + 1
