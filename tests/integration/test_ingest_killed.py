"""A run that is killed leaves whole files only, and the next one goes on."""

import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest

from ingest.files.ingestion import find, load_all
from ingest.store import Store
from tests.archive_files import (
    DAY,
    METRICS,
    TRADES,
    klines,
    metrics,
    text,
    trade,
    write_klines,
    write_zip,
)

DAYS = 5

# Loads a folder, and kills itself (as the kernel would, when memory is out) at one point of the
# transaction of one file: with all its rows written, before or after the manifest's row.
KILLED_IN_A_TRANSACTION = """
import os, signal, sys
from contextlib import contextmanager
from pathlib import Path
from ingest.files import loading
from ingest.files.ingestion import find, load_all
from ingest.store import Store

folder, database, file_number, point = sys.argv[1:]
files_begun = 0

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Killed(Store):
    @contextmanager
    def transaction(self, using=None):
        global files_begun
        files_begun += 1
        with super().transaction(using) as cursor:
            yield cursor
            if point == "before commit" and files_begun == int(file_number):
                die()
        if point == "after commit" and files_begun == int(file_number):
            die()

add_batch = loading.add_batch

def add_and_die(cursor, table):
    added = add_batch(cursor, table)
    if point == "before manifest" and files_begun == int(file_number):
        die()
    return added

loading.add_batch = add_and_die
with Killed.open(database) as store:
    for outcome in load_all(store, find([Path(folder)]).sources):
        print(outcome.added, flush=True)
"""


@pytest.fixture
def folder(tmp_path):
    """Fifteen files: candles, open interest and trades of five days."""
    root = tmp_path / "archive"
    for k in range(DAYS):
        day = DAY + timedelta(days=k)
        write_klines(root, klines(10, 15, day), f"BTCUSDT-15m-{day:%Y-%m-%d}")
        write_zip(root / f"BTCUSDT-metrics-{day:%Y-%m-%d}.zip", text(metrics(20, day), METRICS))
        rows = [
            trade(1000 * k + i, day + timedelta(seconds=20 * i), quantity=0.1 + i / 7)
            for i in range(100)
        ]
        write_zip(root / f"ETHUSDT-aggTrades-{day:%Y-%m-%d}.zip", text(rows, TRADES))
    return root


@pytest.mark.parametrize("file_number", [1, 7, 15])
@pytest.mark.parametrize("point", ["before manifest", "before commit", "after commit"])
def test_a_killed_run_leaves_whole_files_and_the_next_completes_it(
    folder, tmp_path, file_number, point
):
    undisturbed = tmp_path / "undisturbed.duckdb"
    load(folder, undisturbed)

    killed = tmp_path / "killed.duckdb"
    command = [sys.executable, "-c", KILLED_IN_A_TRANSACTION]
    run = subprocess.run(
        [*command, str(folder), str(killed), str(file_number), point], capture_output=True
    )
    assert run.returncode == -signal.SIGKILL, run.stderr
    assert len(run.stdout.split()) == file_number - 1

    whole = file_number - (point != "after commit")
    with Store.open(killed) as store:
        assert_only_whole_files(store, whole)
    outcomes = load(folder, killed)
    assert [outcome.known for outcome in outcomes] == [True] * whole + [False] * (15 - whole)
    assert rows_of(killed) == rows_of(undisturbed)
    assert sorted(p.name for p in tmp_path.iterdir() if "killed" in p.name) == ["killed.duckdb"]


def test_a_run_killed_from_outside_leaves_whole_files(folder, tmp_path):
    database = tmp_path / "killed.duckdb"
    command = [sys.executable, "-c", KILLED_IN_A_TRANSACTION, str(folder), str(database), "0", ""]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as run:
        for _ in range(4):
            run.stdout.readline()
        os.kill(run.pid, signal.SIGKILL)
    with Store.open(database) as store, store.cursor() as cursor:
        (whole,) = cursor.execute("SELECT count(*) FROM ingested_files").fetchone()
        assert whole >= 4
        assert_only_whole_files(store, whole)
    load(folder, database)
    load(folder, tmp_path / "undisturbed.duckdb")
    assert rows_of(database) == rows_of(tmp_path / "undisturbed.duckdb")


def test_what_a_killed_run_unpacked_is_removed_by_the_next(folder, tmp_path):
    left = tmp_path / "market.duckdb.unpacked" / "unpacked.csv"
    left.parent.mkdir()
    left.write_text("half of a file")
    load(folder, tmp_path / "market.duckdb")
    assert not left.parent.exists()


def test_running_twice_adds_nothing(folder, tmp_path):
    database = tmp_path / "market.duckdb"
    assert sum(outcome.added for outcome in load(folder, database)) == DAYS * (10 + 20 + 34)
    before = rows_of(database)
    assert all(outcome.known for outcome in load(folder, database))
    assert rows_of(database) == before


def load(folder, database):
    with Store.open(database) as store:
        return list(load_all(store, find([folder]).sources))


def assert_only_whole_files(store, whole):
    """The manifest has so many files, and the tables just their rows."""
    with store.cursor() as cursor:
        manifest = cursor.execute(
            "SELECT count(*), coalesce(sum(rows_added), 0) FROM ingested_files"
        ).fetchone()
        stored = cursor.execute(
            "SELECT (SELECT count(*) FROM candles) + (SELECT count(*) FROM open_interest)"
        ).fetchone()
    assert manifest == (whole, *stored)


def rows_of(database):
    with Store.open(database) as store, store.cursor() as cursor:
        return [
            cursor.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall()
            for table in ("candles", "open_interest", "trades", "market_revisions")
        ]
