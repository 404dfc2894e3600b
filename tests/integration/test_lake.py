"""A database becomes a lake, and a lake a database, without losing anything."""

import os
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.cli import main
from ingest.files.ingestion import find, load_all
from ingest.lake import KINDS, LEFT_OUT, lake_markets, read_market
from ingest.lake_export import NothingStored
from ingest.store import Store, StoreError
from tests.archive_files import (
    DAY,
    METRICS,
    TRADES,
    klines,
    metrics,
    trade,
    write_daily,
    write_klines,
)
from tests.lakes import (
    BTC,
    BTC_CANDLES,
    ROOT,
    add_all_kinds,
    assert_same,
    assert_same_bars,
    markets_of,
    read,
    rows_of,
    write,
)
from tests.stores import STEP, add_market, memory_store, times

# There and back


def test_every_table_is_kept_or_left_out_on_purpose():
    with memory_store() as store, store.cursor() as cursor:
        tables = {name for (name,) in cursor.execute("SHOW TABLES").fetchall()}
    assert tables - KINDS.keys() - LEFT_OUT == set()
    assert KINDS.keys() <= tables


@pytest.mark.parametrize("simulated", [True, False])
def test_a_round_trip_keeps_everything(tmp_path, simulated):
    with memory_store() as store, memory_store() as copy:
        if simulated:
            store.mark_simulated()
        add_all_kinds(store)
        add_all_kinds(store, exchange="okx")
        assert all(rows_of(store).values())
        contents = write(store, tmp_path / "lake")
        assert contents.rows == {name: len(rows) for name, rows in rows_of(store).items()}
        assert read(copy, tmp_path / "lake") == contents.rows
        assert_same(store, copy)


def test_a_round_trip_of_loaded_files_keeps_the_manifest(tmp_path):
    archive = tmp_path / "archive"
    write_klines(archive, klines(10))
    write_daily(archive, "metrics", metrics(3), METRICS)
    rows = [trade(k, DAY + timedelta(seconds=20 * k), quantity=0.1 + k / 7) for k in range(70)]
    write_daily(archive, "aggTrades", rows, TRADES)
    sources = find([archive]).sources
    with memory_store() as store, memory_store() as copy:
        list(load_all(store, sources, keep_trades=True))
        write(store, tmp_path / "lake")
        read(copy, tmp_path / "lake")
        assert_same(store, copy)
        assert [one.known for one in load_all(copy, sources, keep_trades=True)] == [True] * 3


doubles = st.floats(allow_nan=True, allow_infinity=True)
borders = ("2024-02-29T23:59:59.999999", "2024-03-01", "2023-12-31T23:59:59.999999", "2026-01-01")
moments = st.sampled_from([*map(datetime.fromisoformat, borders)]) | st.datetimes(
    datetime.fromisoformat("1970-01-01"), datetime.fromisoformat("2099-12-31")
)
names = st.sampled_from(["1000", "2026", "BTCUSDT", "BTC/USDT", "a='b'", "ü %2F\n", "..", "*[x]?"])
VALUES = {
    "VARCHAR": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    "DOUBLE": doubles,
    "TIMESTAMP": moments,
    "INTEGER": st.integers(-(2**31), 2**31 - 1),
    "BIGINT": st.integers(-(2**63), 2**63 - 1),
    "BOOLEAN": st.booleans(),
}
CHOICES = {
    "exchange": names,
    "symbol": names,
    "side": st.sampled_from(["long", "short"]),
    "end_reason": st.sampled_from(["open", "closed", "liquidated"]),
    "interval_seconds": st.sampled_from([60, 300, 2_592_000]),
}


WITH_PRIMARY_KEY = ("leverage_tiers", "observed_positions", "ingested_files")


@cache
def columns_of(table):
    """Return names and types of a table's columns, and whether each may be empty."""
    with memory_store() as store, store.cursor() as cursor:
        return cursor.execute(
            "SELECT column_name, data_type, is_nullable FROM duckdb_columns() "
            "WHERE table_name = $table ORDER BY column_index",
            {"table": table},
        ).fetchall()


@st.composite
def odd_rows(draw, table):
    """Draw rows that a table may hold."""
    columns = columns_of(table)
    values = [
        CHOICES.get(name, VALUES[type_]) | (st.none() if nullable else st.nothing())
        for name, type_, nullable in columns
    ]
    named = [name for name, *_ in columns]
    key = [named.index(name) for name in ("exchange", "symbol", *(KINDS[table].key or named))]

    def of_key(row):  # NaN is one value, and so are 0.0 and -0.0
        return tuple(repr(row[k] + 0.0 if isinstance(row[k], float) else row[k]) for k in key)

    rows = draw(st.lists(st.tuples(*values), min_size=1, max_size=6, unique_by=of_key))
    return rows if table in WITH_PRIMARY_KEY else rows + rows[:2]  # some are repeated


@given(data=st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_odd_rows_survive(data):
    kinds = data.draw(st.lists(st.sampled_from([*KINDS]), min_size=1, max_size=3, unique=True))
    with tempfile.TemporaryDirectory() as folder, memory_store() as store, memory_store() as copy:
        with store.transaction() as cursor:
            for table in kinds:
                rows = data.draw(odd_rows(table), label=table)
                marks = ", ".join("?" * len(rows[0]))
                cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        lake = Path(folder) / "lake"
        write(store, lake)
        read(copy, lake)
        ours, theirs = rows_of(store), rows_of(copy)
        for table in KINDS:
            assert sorted(map(repr, ours[table])) == sorted(map(repr, theirs[table]))
        assert set(lake_markets(lake)) == markets_of(store)
        assert sum(read(copy, lake).values()) == 0


def test_months_are_those_of_utc_wherever_the_program_runs(tmp_path, monkeypatch):
    with Store.open(tmp_path / "market.duckdb") as store:
        borders = ["2024-02-29T23:55", "2024-03-01T00:00", "2025-12-31T23:55", "2026-01-01T00:00"]
        prices = dict.fromkeys(("open", "high", "low", "close"), 50_000.0)
        store.add_candles(
            BTC
            | {"interval": STEP, "open_time": np.array(borders, "datetime64[us]"), "volume": 1.0}
            | prices
        )
    for command in (
        ["lake", "export", "lake", "--database", "market.duckdb"],
        ["lake", "import", "lake", "--database", "copy.duckdb"],
    ):
        subprocess.run(
            [sys.executable, "-c", f"from app.cli import main; main({command!r})"],
            cwd=tmp_path,
            env=os.environ | {"TZ": "Asia/Kolkata", "PYTHONPATH": str(ROOT)},
            check=True,
        )
    months = tmp_path / "lake" / BTC_CANDLES.parents[1]
    assert sorted(month.name for month in months.iterdir()) == [
        *("month=2024-02", "month=2024-03", "month=2025-12", "month=2026-01")
    ]
    with (
        Store.open(tmp_path / "market.duckdb") as store,
        Store.open(tmp_path / "copy.duckdb") as copy,
    ):
        assert_same(store, copy)


@pytest.mark.parametrize("name", ["it's", "a b", "üñ", 'x"y', "[ab]*?{c}", "%41=b"])
def test_any_path_will_do(tmp_path, name):
    folder = tmp_path / name / name
    folder.parent.mkdir()
    with memory_store() as store, memory_store() as copy:
        add_all_kinds(store)
        write(store, folder)
        write(store, folder, replace=True)
        read(copy, folder)
        assert_same(store, copy)
        with read_market(folder, "binance", "BTCUSDT") as market:
            assert_same_bars(store, market)
    assert [child.name for child in folder.parent.iterdir()] == [name]


def test_a_path_that_looks_like_a_pattern_is_none(tmp_path):
    with memory_store() as store, memory_store() as other, memory_store() as copy:
        add_market(store, seed=1)
        add_market(other, seed=2)
        write(store, tmp_path / "x[ab]")
        write(other, tmp_path / "xa")
        read(copy, tmp_path / "x[ab]")
        assert_same(store, copy)


def test_another_program_reads_it_as_the_page_about_it_says(tmp_path):
    with memory_store() as store, duckdb.connect(":memory:") as elsewhere:
        add_all_kinds(store, symbol="2026")
        write(store, tmp_path / "lake")
        page = (ROOT / "docs" / "lake.md").read_text(encoding="utf-8")
        query = page.partition("-- DuckDB\n")[2].partition(";")[0]
        query = query.replace("DIR", str(tmp_path / "lake")).replace("BTCUSDT", "2026")
        rows = elsewhere.execute(query).fetchall()
        assert len(rows) == 30
        assert rows[0][:3] == ("binance", "2026", datetime.fromisoformat("2026-01-01"))


# What a second import does


def test_a_second_import_adds_nothing_and_keeps_the_watermark(tmp_path):
    with memory_store() as store, memory_store() as copy:
        add_all_kinds(store)
        write(store, tmp_path / "lake")
        empty = copy.watermark()
        read(copy, tmp_path / "lake")
        before = rows_of(copy), copy.watermark()
        assert before[1] != empty
        assert sum(read(copy, tmp_path / "lake").values()) == 0
        assert (rows_of(copy), copy.watermark()) == before


def test_an_import_adds_what_is_missing_and_changes_that_markets_watermark(tmp_path):
    with memory_store() as store, memory_store() as other:
        add_market(store, bars=40)
        add_market(store, "okx", bars=40)
        add_market(other, bars=40, missing=range(30, 40))
        add_market(other, "okx", bars=40)
        write(store, tmp_path / "lake")
        before = [other.watermark((name,), "BTCUSDT") for name in ("binance", "okx")]
        assert read(other, tmp_path / "lake")["candles"] == 10
        after = [other.watermark((name,), "BTCUSDT") for name in ("binance", "okx")]
        assert before[0] != after[0]
        assert before[1] == after[1]
        assert_same(store, other)


def test_stored_rows_stay_but_for_poorer_candles_and_other_tiers(tmp_path):
    candle = BTC | {"interval": STEP, "open_time": times(2), "volume": 5.0}
    prices = dict.fromkeys(("open", "high", "low", "close"), 50_000.0)
    others = dict.fromkeys(("open", "high", "low", "close"), 49_000.0)
    tier = BTC | {"valid_from": times(1), "floor": 0.0, "cap": np.inf, "max_leverage": 50.0}
    with memory_store() as store, memory_store() as other:
        store.add_candles(candle | prices | {"taker_buy_volume": [2.0, np.nan]})
        store.add_leverage_tiers(tier | {"maintenance_rate": 0.01})
        other.add_candles(candle | others)
        other.add_leverage_tiers(tier | {"maintenance_rate": 0.02})
        write(store, tmp_path / "lake")
        added = read(other, tmp_path / "lake")
        assert (added["candles"], added["leverage_tiers"]) == (1, 1)
        assert [row[7] for row in rows_of(other)["candles"]] == [50_000.0, 49_000.0]
        assert rows_of(other)["leverage_tiers"] == rows_of(store)["leverage_tiers"]


@pytest.mark.parametrize("simulated", [True, False])
def test_simulated_and_real_data_do_not_mix(tmp_path, simulated):
    with memory_store() as store, memory_store() as other:
        add_market(store)
        add_market(other, "okx")
        (store if simulated else other).mark_simulated()
        write(store, tmp_path / "lake")
        before = rows_of(other)
        with pytest.raises(StoreError, match=r"simulated market.* must not mix.*Choose another"):
            read(other, tmp_path / "lake")
        assert rows_of(other) == before
        assert other.is_simulated() != simulated


def test_an_empty_database_takes_over_that_data_are_real(tmp_path):
    with memory_store() as store, memory_store() as marked:
        add_market(store)
        marked.mark_simulated()
        write(store, tmp_path / "lake")
        read(marked, tmp_path / "lake")
        assert_same(store, marked)


def test_a_lake_of_nothing_is_taken_in(tmp_path):
    with memory_store() as store, memory_store() as copy:
        store.mark_simulated()
        write(store, tmp_path / "lake")
        assert sum(read(copy, tmp_path / "lake").values()) == 0
        assert copy.is_simulated()


def test_only_what_was_asked_for_is_written(tmp_path):
    with memory_store() as store:
        for exchange, symbol in (("binance", "BTCUSDT"), ("okx", "BTCUSDT"), ("okx", "ETHUSDT")):
            add_all_kinds(store, exchange=exchange, symbol=symbol)
        write(store, tmp_path / "okx", exchanges=["okx"])
        assert lake_markets(tmp_path / "okx") == [("okx", "BTCUSDT"), ("okx", "ETHUSDT")]
        write(store, tmp_path / "btc", exchanges=["okx", "binance"], symbol="BTCUSDT")
        assert lake_markets(tmp_path / "btc") == [("binance", "BTCUSDT"), ("okx", "BTCUSDT")]
        for wanted in ({"exchanges": ["okx", "bybit"]}, {"symbol": "XRPUSDT"}):
            with pytest.raises(NothingStored, match=r"Nothing.*(bybit|XRPUSDT) is stored yet"):
                write(store, tmp_path / "none", **wanted)
        with memory_store() as copy:
            read(copy, tmp_path / "btc")
            assert len(copy.markets()) == 2
    assert sorted(child.name for child in tmp_path.iterdir()) == ["btc", "okx"]


# One market, for workers


def test_a_market_of_a_lake_is_read_for_computing(tmp_path):
    with memory_store() as store:
        add_all_kinds(store)
        add_all_kinds(store, exchange="okx", seed=1)
        write(store, tmp_path / "lake")
        assert lake_markets(tmp_path / "lake") == [("binance", "BTCUSDT"), ("okx", "BTCUSDT")]
        wanted = ["candles", "mark_candles", "open_interest", "funding_rates", "leverage_tiers"]
        for _ in range(2):
            with read_market(tmp_path / "lake", "okx", "BTCUSDT") as market:
                assert_same_bars(store, market, "okx")
                assert {name for name, rows in rows_of(market).items() if rows} == {*wanted}
                for name in wanted:
                    of_okx = [row for row in rows_of(store)[name] if row[0] == "okx"]
                    assert rows_of(market)[name] == of_okx


def test_a_market_that_was_read_has_the_watermark_it_was_written_with(tmp_path):
    with memory_store() as store:
        add_market(store)
        add_market(store, "okx")
        store.mark_simulated()
        write(store, tmp_path / "lake")
        with read_market(tmp_path / "lake", "okx", "BTCUSDT") as market:
            watermark = store.watermark(("okx",), "BTCUSDT")
            assert market.watermark(("okx",), "BTCUSDT") == watermark
            assert market.is_simulated()
        add_market(store, "okx", bars=700)
        write(store, tmp_path / "lake", replace=True)
        with read_market(tmp_path / "lake", "okx", "BTCUSDT") as market:
            assert market.watermark(("okx",), "BTCUSDT") != watermark


def test_a_market_is_read_without_opening_others_files(tmp_path):
    with memory_store() as store:
        for exchange, symbol in (("binance", "BTCUSDT"), ("okx", "BTCUSDT"), ("okx", "ETHUSDT")):
            add_all_kinds(store, exchange=exchange, symbol=symbol)
        write(store, tmp_path / "lake")
        for file in (tmp_path / "lake").rglob("*.parquet"):
            if "exchange=binance" not in str(file):
                file.write_bytes(b"broken")
        with read_market(tmp_path / "lake", "binance", "BTCUSDT") as market:
            assert_same_bars(store, market)


# The command


@pytest.fixture
def liqheat(tmp_path, monkeypatch, capfd):
    """Run a command in an empty folder; return exit code, output and messages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIQHEAT_DATABASE", str(tmp_path / "market.duckdb"))

    def run(*arguments):
        with pytest.raises(SystemExit) as exited:
            main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return exited.value.code or 0, out, err.strip()

    return run


def test_the_command_writes_a_lake_and_takes_it_in(liqheat, tmp_path):
    with Store.open(tmp_path / "market.duckdb") as store:
        add_all_kinds(store)
        total = sum(map(len, rows_of(store).values()))
    assert liqheat("lake", "export", "lake") == (0, "", f"Wrote {total} rows of 1 market to lake.")
    database = ("--database", "copy.duckdb")
    code, _, err = liqheat("lake", "import", "lake", *database)
    assert (code, err) == (0, f"Added {total} of {total} rows of 1 market to copy.duckdb.")
    code, _, err = liqheat("lake", "import", "lake", *database)
    assert (code, err) == (0, f"Nothing new: all {total} rows of 1 market were stored before.")
    with Store.open("market.duckdb") as store, Store.open("copy.duckdb") as copy:
        assert_same(store, copy)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["export", "lake"], 2, "lake holds a lake already; say --replace"),
        (["export", "none/lake"], 2, "does not exist; make it"),
        (["export", "."], 2, "is not a lake, or not only one; it is left as it is"),
        (["export", "new", "--exchanges", "Binance, okx"], 1, "Nothing on okx is stored yet."),
        (["export", "new", "--symbol", "xrpusdt"], 1, "Nothing of XRPUSDT is stored yet."),
        (["export", "new", "--database", "none.duckdb"], 2, "There is no database none.duckdb"),
        (
            ["import", "none", "--database", "none.duckdb"],
            1,
            'as "liqheat lake export DIR" writes it',
        ),
    ],
)
def test_what_can_not_be_done_is_one_sentence(liqheat, tmp_path, arguments, code, sentence):
    with Store.open(tmp_path / "market.duckdb") as store:
        add_market(store)
        write(store, tmp_path / "lake")
    before = {*tmp_path.iterdir()}
    found, out, err = liqheat("lake", *arguments)
    assert (found, out) == (code, "")
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert {*tmp_path.iterdir()} == before  # and no database was made


@pytest.mark.parametrize("command", ["export", "import"])
def test_the_commands_take_a_database_and_say_what_they_do(liqheat, command):
    code, out, _ = liqheat("lake", command, "--help")
    assert code == 0
    assert "--database" in out
