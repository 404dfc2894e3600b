"""What a lake's folder goes through: replaced, broken, half written by a run that was killed."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import orjson
import pytest

from ingest import lake_export
from ingest.errors import FileError
from ingest.lake import FORMAT_VERSION, lake_markets, read_market
from ingest.store import Store
from tests.lakes import (
    BTC_CANDLES,
    ROOT,
    add_all_kinds,
    assert_same,
    contents_of,
    markets_of,
    read,
    rows_of,
    write,
)
from tests.stores import add_market, memory_store

# What is replaced, and what is left alone


def test_a_lake_is_replaced_only_when_told(tmp_path):
    lake = tmp_path / "lake"
    with memory_store() as store, memory_store() as other:
        add_market(store)
        add_market(other, "okx")
        write(store, lake)
        before = contents_of(lake)
        with pytest.raises(ValueError, match="holds a lake already; say --replace"):
            write(other, lake)
        assert contents_of(lake) == before
        write(other, lake, replace=True)
        assert lake_markets(lake) == [("okx", "BTCUSDT")]
        assert not (lake / BTC_CANDLES).exists()
    assert [child.name for child in tmp_path.iterdir()] == ["lake"]


@pytest.mark.parametrize(
    "there",
    [
        "a file",
        "empty",
        "notes",
        "lake and notes",
        "lake and deep notes",
        "lake and .git",
        "broken lake.json",
    ],
)
def test_what_is_not_a_lake_is_never_touched(tmp_path, there):
    folder = tmp_path / "lake"
    with memory_store() as store:
        add_market(store)
        if there == "a file":
            folder.write_text("mine")
        elif there.startswith("lake"):
            write(store, folder)
        else:
            folder.mkdir()
        if there.endswith("deep notes"):
            (folder / BTC_CANDLES.parent / "notes.txt").write_text("mine")
        elif there.endswith("notes"):
            (folder / "notes.txt").write_text("mine")
        if there.endswith(".git"):
            (folder / ".git").mkdir()
        if there.startswith("broken"):
            (folder / "lake.json").write_text("{")
        before = contents_of(folder)
        with pytest.raises(ValueError, match="is there already and is not a lake"):
            write(store, folder, replace=True)
    assert contents_of(folder) == before
    assert [child.name for child in tmp_path.iterdir()] == ["lake"]


def test_what_appears_in_the_place_meanwhile_is_left_alone(tmp_path):
    folder = tmp_path / "lake"
    with memory_store() as store:
        add_market(store)
        with pytest.raises(ValueError, match="is there already and is not a lake"):
            write(store, folder, report=lambda *_: folder.mkdir(exist_ok=True))
    assert [*tmp_path.rglob("*")] == [folder]


def test_a_failing_export_leaves_nothing_behind(tmp_path, monkeypatch):
    with memory_store() as store:
        add_market(store)
        monkeypatch.setattr(lake_export, "FILE", f"{'x' * 300}.parquet")
        with pytest.raises(OSError, match=r"can't be written"):
            write(store, tmp_path / "lake")
    assert not list(tmp_path.iterdir())


def test_an_interrupted_export_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupted(*_):
        raise RuntimeError("Query interrupted")  # what DuckDB makes of Ctrl-C

    with memory_store() as store:
        add_market(store)
        monkeypatch.setattr(lake_export, "_contents", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write(store, tmp_path / "lake")
    assert not list(tmp_path.iterdir())


def test_the_folder_of_another_export_that_runs_is_left_alone(tmp_path):
    with memory_store() as store:
        add_market(store)

        def export_again(*_):
            write(store, tmp_path / "lake", replace=True)

        write(store, tmp_path / "lake")
        write(store, tmp_path / "lake", replace=True, report=export_again)
        with memory_store() as copy:
            read(copy, tmp_path / "lake")
            assert_same(store, copy)
    assert [child.name for child in tmp_path.iterdir()] == ["lake"]


# Broken lakes


@pytest.fixture
def lake(tmp_path):
    """Return a lake of two markets with all kinds."""
    with memory_store() as store:
        add_all_kinds(store)
        add_all_kinds(store, symbol="ETHUSDT")
        write(store, tmp_path / "lake")
    return tmp_path / "lake"


def say(lake, **said):
    contents = orjson.loads((lake / "lake.json").read_bytes()) | said
    (lake / "lake.json").write_bytes(orjson.dumps(contents))


def rewrite(file, query):
    """Put what a query makes of a file's rows in its place."""
    source = f"read_parquet('{file}', hive_partitioning = false)"
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"CREATE TABLE rows AS {query.format(file=source)}")
        connection.execute(f"COPY rows TO '{file}' (FORMAT parquet)")


BREAKS = {
    "no lake.json": (lambda lake: (lake / "lake.json").unlink(), r"lake\.json: expected"),
    "no JSON": (lambda lake: (lake / "lake.json").write_text("{"), r"lake\.json: .* as JSON"),
    "another format": (lambda lake: say(lake, format="x"), r'lake\.json: expected "format"'),
    "a newer format": (
        lambda lake: say(lake, format_version=FORMAT_VERSION + 1),
        r"lake\.json: expected format_version 1 or less .* found 2",
    ),
    "a newer schema": (
        lambda lake: say(lake, schema_version=999),
        r"lake\.json: expected schema_version \d+ or less .* found 999",
    ),
    "no markets": (lambda lake: say(lake, markets=None), r"lake\.json, markets: expected"),
    "an unknown kind": (lambda lake: (lake / "order_books").mkdir(), r"order_books: expected one"),
    "an unknown folder": (lambda lake: (lake / "candles" / "x").mkdir(), r"candles/x: expected"),
    "an unknown file": (
        lambda lake: (lake / BTC_CANDLES.parent / "x.csv").touch(),
        r"x\.csv: expected Parquet files only",
    ),
    "an unknown market": (
        lambda lake: (lake / BTC_CANDLES.parents[1]).rename(
            lake / BTC_CANDLES.parents[2] / "symbol=XRPUSDT"
        ),
        r"symbol=XRPUSDT.*: expected a market that lake\.json lists",
    ),
    "a lost file": (
        lambda lake: (lake / BTC_CANDLES).unlink(),
        r"candles: expected 30 rows of BTCUSDT on binance as written, found 0",
    ),
    "a lost kind": (
        lambda lake: shutil.rmtree(lake / "leverage_tiers"),
        r"leverage_tiers: expected 2 rows of .*, found 0",
    ),
    "no Parquet": (
        lambda lake: (lake / BTC_CANDLES).write_bytes(b"not at all a Parquet file"),
        r"part\.parquet: expected a whole Parquet file",
    ),
    "a missing column": (
        lambda lake: rewrite(lake / BTC_CANDLES, "SELECT * EXCLUDE (quote_volume) FROM {file}"),
        r"part\.parquet: expected the column quote_volume, found none",
    ),
    "an unknown column": (
        lambda lake: rewrite(lake / BTC_CANDLES, "SELECT *, 1 AS colour FROM {file}"),
        r"part\.parquet: expected columns interval_seconds, .* found colour",
    ),
    "a word for a number": (
        lambda lake: rewrite(lake / BTC_CANDLES, "SELECT * REPLACE ('x' AS low) FROM {file}"),
        r"part\.parquet: expected values of the types of the table",
    ),
    "nothing for a number": (
        lambda lake: rewrite(lake / BTC_CANDLES, "SELECT * REPLACE (NULL AS low) FROM {file}"),
        r"part\.parquet: expected rows of candles, found .*NOT NULL.*low",
    ),
}


@pytest.mark.parametrize("damage", BREAKS)
def test_of_a_broken_lake_the_file_is_named_and_nothing_of_the_market_is_stored(lake, damage):
    break_it, sentence = BREAKS[damage]
    break_it(lake)
    with memory_store() as store:
        with pytest.raises(FileError, match=sentence):
            read(store, lake)
        assert ("binance", "BTCUSDT") not in markets_of(store)


def test_damage_within_a_file_leaves_whole_markets_only(lake):
    file = lake / str(BTC_CANDLES).replace("BTC", "ETH")
    content = bytearray(file.read_bytes())
    content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)  # the footer stays
    file.write_bytes(content)
    with memory_store() as store:
        with pytest.raises(FileError, match=r"ETHUSDT.*part\.parquet: expected a whole Parquet"):
            read(store, lake)
        assert markets_of(store) == {("binance", "BTCUSDT")}
        assert store.coverage("binance", "BTCUSDT")
    with pytest.raises(FileError, match=r"ETHUSDT.*part\.parquet: expected a whole Parquet"):
        read_market(lake, "binance", "ETHUSDT")


def test_a_market_that_a_lake_has_not_is_named(lake):
    with pytest.raises(FileError, match="expected the market BTCUSDT on okx, found 2 others"):
        read_market(lake, "okx", "BTCUSDT")


def test_an_older_schema_may_lack_what_may_be_empty(lake):
    rewrite(lake / BTC_CANDLES, "SELECT * EXCLUDE (quote_volume) FROM {file}")
    say(lake, schema_version=1)
    with memory_store() as store:
        read(store, lake)
        with store.cursor() as cursor:
            found = cursor.execute(
                "SELECT symbol, count(*), count(quote_volume) FROM candles GROUP BY 1 ORDER BY 1"
            ).fetchall()
    assert found == [("BTCUSDT", 30, 0), ("ETHUSDT", 30, 30)]


def test_liquidations_of_an_older_lake_have_no_trade_ids_and_come_once(lake):
    (file,) = lake.glob("liquidations/*/symbol=BTCUSDT/*/*.parquet")
    rewrite(file, "SELECT * EXCLUDE (trade_id) FROM {file}")
    say(lake, schema_version=7)
    with memory_store() as store:
        for _ in range(2):
            read(store, lake)
            with store.cursor() as cursor:
                found = cursor.execute(
                    "SELECT symbol, count(*), count(trade_id) FROM liquidations GROUP BY 1 "
                    "ORDER BY 1"
                ).fetchall()
            assert found == [("BTCUSDT", 8, 0), ("ETHUSDT", 8, 2)]


def test_what_file_managers_and_other_writers_leave_is_passed_over(lake):
    rewrite(lake / BTC_CANDLES, "SELECT * FROM {file} ORDER BY open_time DESC")
    (lake / BTC_CANDLES).rename(lake / BTC_CANDLES.with_name("data_0.parquet"))
    (lake / ".DS_Store").touch()
    (lake / BTC_CANDLES.parent / "_SUCCESS").touch()
    with memory_store() as store:
        read(store, lake)
        assert store.coverage("binance", "BTCUSDT")[0].rows == 30


# Runs that are killed

KILLED = """
import os, pathlib, shutil, signal, sys
from datetime import UTC, datetime
from ingest import lake_export, lake_import
from ingest.store import Store

database, folder, point = sys.argv[1:]

def dying(function, call, *, after=False):
    calls = 0
    def wrapped(*arguments, **options):
        nonlocal calls
        calls += 1
        if calls == call and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments, **options)
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return wrapped

match point:
    case "export, before the first file":
        lake_export._write = dying(lake_export._write, 1)
    case "export, in the middle":
        lake_export._write = dying(lake_export._write, 8)
    case "export, before it is in place":
        lake_export._put_in_place = dying(lake_export._put_in_place, 1)
    case "export, after it is in place":
        lake_export._put_in_place = dying(lake_export._put_in_place, 1, after=True)
    case "export, between two steps":
        lake_export._swap = lambda a, b: False
        pathlib.Path.rename = dying(pathlib.Path.rename, 2)
    case "import, before the first row":
        lake_import.add_part = dying(lake_import.add_part, 1)
    case "import, in the first market":
        lake_import.add_part = dying(lake_import.add_part, 4)
    case "import, before the first commit":
        Store.changed = dying(Store.changed, 1, after=True)
    case "import, in the second market":
        lake_import.add_part = dying(lake_import.add_part, 12)

with Store.open(database) as store:
    if point.startswith("export"):
        lake_export.write_lake(
            store, pathlib.Path(folder), replace=True, program_version="1", now=datetime.now(UTC)
        )
    else:
        lake_import.import_lake(store, lake_import.check_lake(pathlib.Path(folder)))
"""


def run_and_kill(database, folder, point):
    command = [sys.executable, "-c", KILLED, str(database), str(folder), point]
    run = subprocess.run(command, capture_output=True, cwd=ROOT)
    assert run.returncode == -signal.SIGKILL, run.stderr


@pytest.mark.parametrize(
    "point",
    ["before the first file", "in the middle", "before it is in place", "after it is in place"],
)
def test_a_killed_export_leaves_the_old_lake_or_the_new_one(lake, tmp_path, point):
    with Store.open(tmp_path / "other.duckdb") as store:
        add_all_kinds(store, exchange="okx")
    before = contents_of(lake)
    run_and_kill(tmp_path / "other.duckdb", lake, f"export, {point}")
    if point == "after it is in place":
        assert lake_markets(lake) == [("okx", "BTCUSDT")]
    else:
        assert contents_of(lake) == before

    with Store.open(tmp_path / "other.duckdb") as store, memory_store() as copy:
        write(store, lake, replace=True)
        read(copy, lake)
        assert_same(store, copy)
    assert sorted(child.name for child in tmp_path.iterdir()) == ["lake", "other.duckdb"]


@pytest.mark.parametrize("replace", [True, False])
def test_where_folders_are_not_exchanged_in_one_step_the_next_export_restores_the_old_one(
    lake, tmp_path, replace
):
    before = contents_of(lake)
    with Store.open(tmp_path / "other.duckdb") as store:
        add_all_kinds(store, exchange="okx")
    run_and_kill(tmp_path / "other.duckdb", lake, "export, between two steps")
    assert not lake.exists()
    with Store.open(tmp_path / "other.duckdb") as store:
        if replace:
            write(store, lake, replace=True)
            assert lake_markets(lake) == [("okx", "BTCUSDT")]
        else:
            with pytest.raises(ValueError, match="holds a lake already"):
                write(store, lake)
            assert contents_of(lake) == before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux exchanges folders")
def test_the_place_of_a_lake_is_never_empty(lake, monkeypatch):
    def leave_empty(path, target):
        raise AssertionError(f"{path} was moved to {target} in a step of its own")

    with memory_store() as store:
        add_market(store, "okx")
        monkeypatch.setattr(Path, "rename", leave_empty)
        write(store, lake, replace=True)
    assert lake_markets(lake) == [("okx", "BTCUSDT")]


def test_a_lake_is_replaced_in_two_steps_where_one_is_not_enough(lake, tmp_path, monkeypatch):
    monkeypatch.setattr(lake_export, "_swap", lambda a, b: False)
    with memory_store() as store:
        add_market(store, "okx")
        write(store, lake, replace=True)
    assert lake_markets(lake) == [("okx", "BTCUSDT")]
    assert [child.name for child in tmp_path.iterdir()] == ["lake"]


@pytest.mark.parametrize(
    ("point", "whole"),
    [
        ("before the first row", 0),
        ("in the first market", 0),
        ("before the first commit", 0),
        ("in the second market", 1),
    ],
)
def test_a_killed_import_leaves_whole_markets_and_the_next_completes_it(
    lake, tmp_path, point, whole
):
    with memory_store() as undisturbed, Store.open(tmp_path / "killed.duckdb"):
        read(undisturbed, lake)
    run_and_kill(tmp_path / "killed.duckdb", lake, f"import, {point}")
    with Store.open(tmp_path / "killed.duckdb") as store, memory_store() as undisturbed:
        read(undisturbed, lake)
        assert len(markets_of(store)) == whole
        if whole:
            for name, rows in rows_of(store).items():
                assert len(rows) == len(rows_of(undisturbed)[name]) / 2
        read(store, lake)
        assert_same(undisturbed, store)
