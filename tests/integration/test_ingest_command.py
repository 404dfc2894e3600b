import os
import re
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from app.cli import main
from ingest.store import Store
from tests.archive_files import (
    DAY,
    KLINES,
    METRICS,
    TRADES,
    klines,
    metrics,
    text,
    trade,
    write_daily,
    write_klines,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def liqheat(tmp_path, monkeypatch, capfd):
    """Run a command on a database of its own; return exit code, output and messages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIQHEAT_DATABASE", str(tmp_path / "market.duckdb"))

    def run(*arguments):
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return exit_.value.code, out, err

    return run


def test_ingest_says_what_came_in_and_coverage_what_is_there(liqheat, tmp_path):
    rows = klines(10)
    write_klines(tmp_path, [*rows[:4], *rows[7:]])
    write_daily(tmp_path, "metrics", [*metrics(3), metrics(3)[2]], METRICS)
    code, out, _ = liqheat("ingest", tmp_path)
    assert code == 0
    assert row(out, "candles 1m") == [
        "binance BTCUSDT",
        "candles 1m",
        *("1", "7", "7", "2026-01-05 00:00", "2026-01-05 00:09", "1", ""),
    ]
    assert row(out, "metrics")[2:5] == ["1", "4", "3"]
    assert row(out, "metrics")[-1] == "1 repeated"

    code, out, _ = liqheat("coverage")
    assert code == 0
    assert row(out, "candles 1m")[2:] == [
        *("7", "2026-01-05 00:00", "2026-01-05 00:10"),
        "2026-01-05 00:04 to 2026-01-05 00:07",
    ]
    assert row(out, "metrics")[-1] == "none"


def test_a_second_run_says_that_nothing_is_new(liqheat, tmp_path):
    write_klines(tmp_path, klines(3))
    liqheat("ingest", tmp_path)
    assert liqheat("ingest", tmp_path)[:2] == (0, "Nothing new: all 1 files were loaded before.\n")


@pytest.mark.parametrize("name", ["BTCUSDT-1m-2026-01-06.zip", "9.lz4"])
def test_a_link_to_nothing_is_listed_and_the_others_load(liqheat, tmp_path, name):
    write_klines(tmp_path, klines(3))
    (tmp_path / name).symlink_to(tmp_path / "gone.zip")
    code, out, err = liqheat("ingest", tmp_path)
    assert code == 1
    assert row(out, "candles 1m")[2:5] == ["1", "3", "3"]
    assert f"{name}: expected a file that can be read, found No such" in err


def test_bad_files_are_listed_and_the_others_load(liqheat, tmp_path):
    write_klines(tmp_path, klines(3))
    bad = write_klines(tmp_path, [*klines(3), klines(1)[0]], "BTCUSDT-1m-2026-01-06")
    code, out, err = liqheat("ingest", tmp_path, tmp_path / "none.zip")
    assert code == 1
    assert row(out, "candles 1m")[2:5] == ["1", "3", "3"]
    assert f"Not loaded: {bad}, line 5: expected times in ascending order, found 17675" in err
    assert "none.zip: expected a file or a folder, found nothing there." in err


def test_named_files_take_their_market_from_the_options(liqheat, tmp_path):
    (tmp_path / "mine.csv").write_text(text(klines(2, 5), KLINES))
    options = ("--exchange", "OKX", "--symbol", "ethusdt", "--kind", "candles")
    code, out, _ = liqheat("ingest", *options, "mine.csv")
    assert (code, row(out, "candles 5m")[0]) == (0, "okx ETHUSDT")
    assert liqheat("ingest", *options, "--interval", "1h", "mine.csv")[0] == 0  # known by content
    (tmp_path / "one.csv").write_text(text(klines(1), KLINES))
    code, out, _ = liqheat("ingest", *options, "--interval", "1h", "one.csv")
    assert row(out, "candles 1h")[3] == "1"
    code, _, err = liqheat("ingest", *options, "--interval", "7m", "one.csv")
    assert (code, err[:40]) == (2, "an interval must be one of 1m, 3m, 5m, 1"[:40])


def test_kept_trades_are_counted(liqheat, tmp_path):
    rows = [trade(k, DAY + timedelta(seconds=k)) for k in range(70)]
    write_daily(tmp_path, "aggTrades", rows, TRADES)
    _, out, _ = liqheat("ingest", "--keep-trades", tmp_path)
    found = row(out, "trades 1m")
    assert (found[3], found[4], found[-1]) == ("70", "72", "70 trades kept")
    assert row(liqheat("coverage")[1], "trades")[2] == "70"


def test_limits_of_unpacking_can_be_set(liqheat, tmp_path):
    write_klines(tmp_path, klines(100))
    code, _, err = liqheat("ingest", "--max-gigabytes", "0.000001", tmp_path)
    assert code == 1
    assert "expected at most 1,000 bytes unpacked" in err


def test_no_file_to_load_says_what_was_looked_for(liqheat, tmp_path):
    (tmp_path / "stuff").mkdir()
    (tmp_path / "stuff" / "notes.csv").write_text("a,b\n1,2\n")
    code, _, err = liqheat("ingest", "stuff")
    assert code == 1
    assert "No file to load in stuff: looked for *.zip, *.csv, *.csv.gz, *.parquet" in err
    assert "Passed over 1, for example stuff/notes.csv" in err
    assert not (tmp_path / "market.duckdb").exists()


def test_real_data_do_not_mix_with_the_simulated_market(liqheat, tmp_path):
    write_klines(tmp_path, klines(3))
    with Store.open(tmp_path / "market.duckdb") as store:
        store.mark_simulated()
    code, _, err = liqheat("ingest", tmp_path)
    assert (code, "holds the simulated market" in err) == (2, True)
    assert liqheat("coverage")[0] == 1


def test_coverage_lists_only_so_many_gaps_and_only_what_is_asked_for(liqheat, tmp_path):
    write_klines(tmp_path, klines(9)[::2])
    liqheat("ingest", tmp_path)
    _, out, _ = liqheat("coverage", "--gaps", "1")
    assert "2026-01-05 00:01 to 2026-01-05 00:02" in out
    assert "and 3 more" in out
    assert "4 gaps" in liqheat("coverage", "--gaps", "0")[1]
    code, out, err = liqheat("coverage", "--exchange", "okx")
    assert (code, out) == (1, "")
    assert "No such data are stored yet" in err


def test_coverage_of_no_database_says_how_to_make_one(liqheat):
    code, _, err = liqheat("coverage")
    assert code == 2
    assert 'Make one with "liqheat ingest PATH"' in err


@pytest.mark.parametrize("command", ["ingest", "coverage"])
def test_a_locked_database_is_named_with_who_holds_it(liqheat, tmp_path, command):
    write_klines(tmp_path, klines(3))
    script = (
        "import sys; from ingest.store import Store; store = Store.open('market.duckdb');"
        "print('open', flush=True); sys.stdin.read()"
    )
    with python("-c", script, cwd=tmp_path, stdin=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"open\n"
        code, _, err = liqheat(command, *([tmp_path] if command == "ingest" else []))
        holder.stdin.close()
    assert code == 2
    assert re.search(rf"market\.duckdb is in use by process {holder.pid} \(python", err)
    assert len(err.strip().splitlines()) == 1


def test_interrupting_keeps_what_is_loaded_and_says_so(tmp_path):
    # The second file is a pipe that nobody writes to, so the program waits there for the signal.
    write_klines(tmp_path / "a", klines(3))
    stuck = tmp_path / "b" / "klines" / "BTCUSDT-1m-2026-01-06.csv"
    stuck.parent.mkdir(parents=True)
    os.mkfifo(stuck)
    script = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from app.cli import main; main(['ingest', 'a', 'b', '--database', 'market.duckdb'])"
    )
    with (
        python("-c", script, cwd=tmp_path, stderr=subprocess.PIPE) as run,
        stuck.open("wb"),  # opens once the program reads
    ):
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=180)
    assert run.returncode == 130
    assert b"Stopped: 1 of 2 files are stored, and the next run goes on with the others." in err
    with Store.open(tmp_path / "market.duckdb") as store:
        assert store.coverage()[0].rows == 3


def python(*arguments, cwd, **pipes):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "LIQHEAT_DATABASE": "market.duckdb"}
    pipes = {"stdout": subprocess.PIPE} | pipes
    return subprocess.Popen([sys.executable, *arguments], cwd=cwd, env=environment, **pipes)


def row(table, kind):
    """Return the cells of the table's row of a kind."""
    rows = [
        [cell.strip() for cell in line.strip()[1:-1].split("│")]
        for line in table.splitlines()
        if "│" in line
    ]
    return next(cells for cells in rows if cells[1] == kind)
