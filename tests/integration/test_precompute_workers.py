"""Other processes compute, one stores: the same tables as without them."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime

import psutil
import pytest

from app.cli import main
from app.precompute.cluster import cluster_workers
from app.precompute.jobs import model_text
from app.precompute.several import Failure
from app.precompute.workers import (
    carry_out_apart,
    compute_market,
    local_workers,
    make_task,
    store_result,
)
from app.settings import Settings, variable
from engine.models import find_model
from engine.profiles import parse_profile
from ingest import snapshots
from ingest.lake_export import write_lake
from ingest.store import Store
from tests.conftest import ROOT
from tests.snapshot_stores import DAY_BARS, add_part, assert_same, job, precompute, rows_of
from tests.stores import memory_store

BARS = 2 * DAY_BARS + 100
EXCHANGES = ("binance", "bybit", "okx")
# Of the command, for what `job()` is.
OPTIONS = ("--model", "turnover", "--events", "--bucket-width", "250")
NEVER = bool  # called without an argument: False


def fill(store, stop=BARS, exchanges=EXCHANGES):
    for seed, exchange in enumerate(exchanges):
        add_part(store, 0, stop, bars=BARS, exchange=exchange, seed=seed)


def export(store, folder):
    write_lake(store, folder, program_version="0", now=datetime.now(UTC), replace=folder.exists())
    return folder


def named_rows(store):
    """Return all rows, each with the market of its series instead of its number."""
    rows = rows_of(store)
    names = {number: rest for number, *rest in rows["snapshot_series"]}
    return {
        table: sorted((repr(names[row[0]]), repr(row[1:])) for row in rows[table])
        for table in rows
        if table != "snapshot_series"
    } | {"names": sorted(map(repr, names.values()))}


def assert_same_named(store, expected):
    found = named_rows(store)
    assert found.keys() == expected.keys()
    assert_same(found["names"], expected["names"], "names")
    for table in found:
        assert_same(found[table], expected[table], table)


@pytest.fixture
def store():
    with memory_store() as store:
        fill(store)
        yield store


@pytest.fixture(scope="module")
def alone():
    """Rows of the same markets, computed in one process."""
    with memory_store() as store:
        fill(store)
        for exchange in EXCHANGES:
            precompute(store, job(exchange=exchange))
        return named_rows(store)


def results(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir(exist_ok=True)
    return folder


def test_a_task_computes_what_the_database_would(store, alone, tmp_path):
    lake = export(store, tmp_path / "lake")
    for exchange in EXCHANGES:
        task = make_task(store, job(exchange=exchange), lake, results(tmp_path))
        outcome = store_result(store, compute_market(task))
        assert outcome.series.exchange == exchange
    assert_same_named(store, alone)
    assert list(results(tmp_path).iterdir()) == []
    # And the database knows it for its own.
    (series,) = snapshots.find_series(store, "binance", "BTCUSDT", model_text(job().model))
    assert series.watermark == store.watermark(("binance",), "BTCUSDT")
    assert precompute(store, job()).computed == ()


def test_the_same_task_done_twice_is_one_result(store, tmp_path):
    lake = export(store, tmp_path / "lake")
    task = make_task(store, job(), lake, results(tmp_path))
    first, second = compute_market(task), compute_market(task)
    assert first.folder == second.folder
    assert [path.name for path in results(tmp_path).iterdir()] == [task.name]


def test_a_worker_goes_on_from_the_databases_checkpoint(tmp_path, alone, monkeypatch):
    with memory_store() as store:
        fill(store, stop=DAY_BARS + 150)
        for exchange in EXCHANGES:
            precompute(store, job(exchange=exchange))
        fill(store)
        lake = export(store, tmp_path / "lake")
        starts = []
        bars = Store.bars
        monkeypatch.setattr(Store, "bars", lambda s, *a: starts.append(a[2]) or bars(s, *a))
        for exchange in EXCHANGES:
            wanted = job(exchange=exchange, incremental=True)
            task = make_task(store, wanted, lake, results(tmp_path))
            outcome = store_result(store, compute_market(task))
            assert (outcome.present, len(outcome.computed), outcome.note) == (1, 2, "")
        assert {start.day for start in starts} == {2}
        assert_same_named(store, alone)
        (kept,) = store.cursor().execute("SELECT min(stop) FROM snapshot_checkpoints").fetchone()
        # The bar before midnight is missing.
        assert kept == datetime(2026, 1, 2, 23, 55)  # noqa: DTZ001


def test_what_cannot_be_computed_comes_back_as_a_sentence(store, tmp_path):
    lake = export(store, tmp_path / "lake")
    task = make_task(store, job(), lake, results(tmp_path))
    for wrong, message in (
        (replace(task, job=job(exchange="kraken")), "expected the market BTCUSDT on kraken"),
        (replace(task, job=job(interval=7 * task.job.interval)), "must be a multiple"),
        (replace(task, lake=tmp_path), "expected a file that says what a lake holds"),
        (replace(task, program="older"), "runs another version of the program"),
        (
            replace(task, job=job(model=find_model("turnover", profile=parse_profile("200:1")))),
            "nothing at or below",
        ),
    ):
        failure = compute_market(wrong)
        assert isinstance(failure, Failure)
        assert message in str(failure.error)


def test_processes_give_what_one_gives(store, alone, tmp_path):
    lake = export(store, tmp_path / "lake")
    tasks = [make_task(store, job(exchange=name), lake, results(tmp_path)) for name in EXCHANGES]
    with local_workers(2) as workers:
        outcomes = list(carry_out_apart(store, tasks, workers, NEVER))
    assert sorted(outcome.job.exchange for outcome in outcomes) == sorted(EXCHANGES)
    assert_same_named(store, alone)


def test_a_lost_process_is_told_and_what_was_finished_stays(store, alone, tmp_path):
    lake = export(store, tmp_path / "lake")
    tasks = [make_task(store, job(exchange=name), lake, results(tmp_path)) for name in EXCHANGES]
    finished = []

    def lose_the_worker():
        with local_workers(1) as workers:
            for outcome in carry_out_apart(store, tasks, workers, NEVER):
                finished.append(outcome.job.exchange)
                for process in workers.executor._processes.values():
                    process.kill()

    with pytest.raises(ChildProcessError, match="the next run goes on"):
        lose_the_worker()
    assert 1 <= len(finished) < 3
    stored = {row[1] for row in rows_of(store)["snapshot_series"]}
    assert stored == set(finished)
    for exchange in EXCHANGES:
        precompute(store, job(exchange=exchange))
    assert_same_named(store, alone)


def test_a_stop_ends_the_processes(store, tmp_path):
    lake = export(store, tmp_path / "lake")
    tasks = [make_task(store, job(exchange=name), lake, results(tmp_path)) for name in EXCHANGES]
    processes = []

    def stop():
        with local_workers(1) as workers:
            for _ in carry_out_apart(store, tasks, workers, lambda: bool(processes)):
                processes.extend(workers.executor._processes)

    with pytest.raises(KeyboardInterrupt):
        stop()
    # Not by `exitcode`: the executor may have asked for it, and it is told once.
    _, alive = psutil.wait_procs(
        [psutil.Process(pid) for pid in processes if psutil.pid_exists(pid)], timeout=180
    )
    assert processes
    assert alive == []


@pytest.fixture
def cluster():
    """A Dask scheduler on loopback with two worker processes, each under a nanny."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        host="127.0.0.1",
        scheduler_port=0,
        silence_logs=50,
    ) as cluster:
        yield cluster


def test_a_cluster_gives_what_one_process_gives_even_if_a_worker_is_killed(
    store, alone, tmp_path, cluster
):
    lake = export(store, tmp_path / "lake")
    tasks = [make_task(store, job(exchange=name), lake, results(tmp_path)) for name in EXCHANGES]
    with cluster_workers(cluster.scheduler_address) as workers:
        victim = workers.executor.submit(os.getpid).result(180)
        killed = False

        def kill_once():
            # Asked again and again while markets are computed.
            nonlocal killed
            if not killed:
                os.kill(victim, signal.SIGKILL)
                killed = True
            return time.monotonic() > deadline

        deadline = time.monotonic() + 300
        outcomes = list(carry_out_apart(store, tasks, workers, kill_once))
    assert killed
    assert len(outcomes) == 3
    assert_same_named(store, alone)


def test_the_command_lets_a_cluster_compute(liqheat, cluster, alone):
    with Store.open("market.duckdb") as store:
        fill(store)
    code, _, err = liqheat("--scheduler", cluster.scheduler_address, *OPTIONS)
    assert code == 0, err
    with Store.open("market.duckdb") as store:
        assert_same_named(store, alone)


def test_no_scheduler_is_a_sentence(monkeypatch):
    monkeypatch.setattr("app.precompute.cluster._ANSWERS", "200ms")
    with (
        pytest.raises(ValueError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        cluster_workers("tcp://127.0.0.1:9"),
    ):
        pass


def test_without_dask_the_sentence_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(ValueError, match=r'pip install "liquidation-heatmap\[cluster\]"'),
        cluster_workers("tcp://127.0.0.1:9"),
    ):
        pass


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)
    monkeypatch.setenv("LIQHEAT_DATABASE", "market.duckdb")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def liqheat(folder, capfd):
    def run(*arguments):
        with pytest.raises(SystemExit) as exited:
            main(["precompute", *arguments])
        return exited.value.code or 0, *capfd.readouterr()

    return run


def test_the_command_with_workers_stores_the_same_and_leaves_no_folder(liqheat, folder, alone):
    with Store.open("market.duckdb") as store:
        fill(store)
    code, out, err = liqheat("--workers", "2", *OPTIONS)
    assert (code, err.strip()) == (0, "")
    assert "okx BTCUSDT" in out
    with Store.open("market.duckdb") as store:
        assert_same_named(store, alone)
    assert [path.name for path in folder.iterdir()] == ["market.duckdb"]
    code, out, _ = liqheat("--workers", "2", *OPTIONS)
    assert (code, out) == (0, "Nothing new: all 9 days of 3 markets are there.\n")


def test_a_lake_is_computed_into_a_new_database(liqheat, folder, alone):
    with memory_store() as store:
        fill(store)
        export(store, folder / "lake")
    (folder / "shared").mkdir()
    code, _, err = liqheat("--lake", "lake", "--results", "shared", *OPTIONS)
    assert code == 0, err
    with Store.open("market.duckdb") as store:
        assert_same_named(store, alone)
    assert list((folder / "shared").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--lake", "nowhere"], 1, "expected a file that says what a lake holds"),
        (["--workers", "2", "--scheduler", "tcp://127.0.0.1:9"], 2, "choose one of them"),
        (["--results", "x"], 2, "--results is for --workers and --scheduler"),
        (["--workers", "0"], 2, "greater than or equal to 1"),
        (["--workers", "2"], 2, "There is no database market.duckdb yet"),
    ],
)
def test_what_cannot_be_is_a_sentence(liqheat, arguments, code, message):
    exit_code, out, err = liqheat(*arguments)
    assert (exit_code, out) == (code, "")
    assert message in err


KILLED = """
import sys
from app.cli import main

if __name__ == "__main__":
    main(sys.argv[1:])
"""


def test_a_killed_run_with_workers_is_completed_by_the_next(liqheat, folder, alone):
    with Store.open("market.duckdb") as store:
        fill(store)
    script = folder / "run.py"
    script.write_text(KILLED)
    arguments = ("--workers", "2", *OPTIONS)
    deadline = time.monotonic() + 300
    with subprocess.Popen(
        [sys.executable, script, "precompute", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    ) as run:
        while not any(folder.glob("market.duckdb.precomputed/liqheat-*/" + "[0-9a-f]" * 32)):
            assert run.poll() is None
            assert time.monotonic() < deadline
        run.kill()
    assert (folder / "market.duckdb.precomputed").is_dir()
    code, _, err = liqheat(*arguments)
    assert code == 0, err
    with Store.open("market.duckdb") as store:
        assert_same_named(store, alone)
    assert sorted(path.name for path in folder.iterdir()) == ["market.duckdb", "run.py"]


WORKER_OF_A_KILLED_PARENT = """
import os, signal, sys
from app.precompute.workers import local_workers

if __name__ == "__main__":
    with local_workers(1) as workers:
        print(workers.executor.submit(os.getpid).result(), flush=True)
        signal.pause()
"""


def test_workers_end_with_their_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(WORKER_OF_A_KILLED_PARENT)
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)}
    ) as parent:
        assert int(parent.stdout.readline()) != parent.pid
        parent.kill()
        # Its end of the pipe is closed when the worker is gone too.
        assert parent.stdout.read() == b""
