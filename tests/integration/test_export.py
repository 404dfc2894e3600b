"""``liqheat export`` on a small database."""

import csv
import json
from datetime import timedelta

import duckdb
import numpy as np
import pytest
from numpy.testing import assert_allclose

from app.cli import main
from ingest.store import Store
from tests.stores import START, STEP, add_market


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "market.duckdb"
    with Store.open(path) as store:
        add_market(store, "binance", seed=1)
        add_market(store, "bybit", seed=2)
    return path


@pytest.fixture
def export(database, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("LIQHEAT_CACHE_DIR", str(tmp_path / "cache"))

    def run(out, **options):
        fields = {
            "symbol": "BTCUSDT",
            "start": (START + 96 * STEP).isoformat(),
            "stop": (START + 456 * STEP).isoformat(),
            "interval": "30m",
            "bins": "50",
            "database": str(database),
        } | options
        arguments = [x for name, value in fields.items() for x in (f"--{name}", value)]
        with pytest.raises(SystemExit) as stopped:
            main(["export", *arguments, str(out)])
        return stopped.value.code or 0, capsys.readouterr().err

    return run


def query(sql):
    """Return the columns of a query."""
    with duckdb.connect(":memory:") as connection:
        columns = connection.execute(sql)
        return columns.fetchnumpy()


def test_formats_hold_the_same_rows(export, tmp_path):
    for name in ("map.csv", "map.json", "map.parquet"):
        assert export(tmp_path / name)[0] == 0
    with (tmp_path / "map.csv").open() as file:
        rows = list(csv.DictReader(file))
    objects = json.loads((tmp_path / "map.json").read_text())
    columns = query(f"SELECT * FROM '{tmp_path / 'map.parquet'}'")
    assert list(rows[0]) == [
        "timestamp",
        "exchange",
        "price_low",
        "price_high",
        "side",
        "active_size",
        "consumed_size",
        "active_notional",
        "consumed_notional",
    ]
    assert len(rows) == len(objects) == columns["side"].size
    assert rows[0]["timestamp"] == "2026-01-01T08:30:00Z"
    assert_allclose([float(row["active_size"]) for row in rows], columns["active_size"])


def test_sides_tie_per_exchange_and_column(export, tmp_path):
    export(tmp_path / "map.parquet", exchanges="bybit,binance")
    sides = query(
        f"""
        SELECT timestamp, exchange, sum(active_size) FILTER (side = 'long') AS long,
               sum(active_size) FILTER (side = 'short') AS short
        FROM '{tmp_path / "map.parquet"}' GROUP BY ALL
        """
    )
    assert sides["long"].size == 2 * 60
    assert_allclose(sides["long"], sides["short"], rtol=1e-9)


def test_pieces_of_a_long_export_join_without_overlap(export, tmp_path, monkeypatch):
    export(tmp_path / "whole.parquet", start=(START + 103 * STEP).isoformat())
    monkeypatch.setattr("app.export._CELLS_AT_ONCE", 350)
    export(tmp_path / "pieces.parquet", start=(START + 103 * STEP).isoformat())
    whole, pieces = (
        query(f"SELECT * FROM '{tmp_path / name}.parquet'") for name in ("whole", "pieces")
    )
    np.testing.assert_array_equal(whole["timestamp"], pieces["timestamp"])
    assert_allclose(whole["active_size"], pieces["active_size"], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("start", "stop"),
    [
        ("08:00", "10:00"),
        ("08:25", "09:35"),  # both within an interval
    ],
)
def test_stamps_are_ends_of_intervals_after_start_and_up_to_stop(export, tmp_path, start, stop):
    out = tmp_path / "map.csv"
    export(out, start=f"2026-01-01T{start}", stop=f"2026-01-01T{stop}")
    with out.open() as file:
        stamps = sorted({row["timestamp"] for row in csv.DictReader(file)})
    assert stamps == [f"2026-01-01T{time}:00Z" for time in ("08:30", "09:00", "09:30", "10:00")]


def test_notional_is_size_at_a_price_of_the_bucket(export, tmp_path):
    export(tmp_path / "map.parquet")
    rows = query(f"SELECT * FROM '{tmp_path / 'map.parquet'}' WHERE price_low IS NOT NULL")
    for kind in ("active", "consumed"):
        held = rows[f"{kind}_size"] > 1e-9
        assert held.any()
        price = rows[f"{kind}_notional"][held] / rows[f"{kind}_size"][held]
        assert (price >= rows["price_low"][held] * (1 - 1e-9)).all()
        assert (price <= rows["price_high"][held] * (1 + 1e-9)).all()


def test_pieces_of_a_history_too_long_to_compute_whole_share_its_beginning(
    export, tmp_path, monkeypatch
):
    monkeypatch.setattr("app.history.LONGEST_BOOK", 10)
    monkeypatch.setattr("app.history._month_before", lambda moment, _days: moment)
    export(tmp_path / "whole.parquet")
    monkeypatch.setattr("app.export._CELLS_AT_ONCE", 350)
    export(tmp_path / "pieces.parquet")
    whole, pieces = (
        query(f"SELECT * FROM '{tmp_path / name}.parquet'") for name in ("whole", "pieces")
    )
    assert_allclose(whole["active_size"], pieces["active_size"], rtol=1e-9, atol=1e-9)


def test_an_exchange_has_no_rows_where_it_has_no_data(export, database, tmp_path):
    with Store.open(database) as store:
        add_market(store, "gate", seed=3, missing=range(300))
    assert export(tmp_path / "map.parquet")[0] == 0
    rows = query(
        f"""
        SELECT exchange, count(DISTINCT timestamp) AS times
        FROM '{tmp_path / "map.parquet"}' GROUP BY ALL ORDER BY exchange
        """
    )
    # 60 half hours from 08:00; the third exchange begins with bar 300, at 25:00.
    assert rows["times"].tolist() == [60, 60, 26]


def test_a_range_beyond_the_data_is_cut(export, tmp_path):
    code, _ = export(tmp_path / "map.csv", start="2020-01-01", stop="2030-01-01", interval="1h")
    assert code == 0


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ({"symbol": "DOGEUSDT"}, 1, "Nothing is stored for DOGEUSDT yet"),
        ({"exchanges": "kraken"}, 1, "stored are binance, bybit"),
        ({"start": "2020-01-01", "stop": "2020-02-01"}, 1, "there are data from"),
        ({"start": "yesterday"}, 2, "start must be a time like 2026-01-15"),
        ({"start": "2026-03-01", "stop": "2026-02-01"}, 2, "start must be before stop"),
        ({"interval": "7m"}, 2, "interval must be one of 1m, 3m, 5m"),
        ({"interval": "1m"}, 2, "must be a multiple of the stored bars"),
        ({"price-low": "1", "price-high": "inf"}, 2, "finite"),
        ({"price-low": "0", "price-high": "5e-324"}, 2, "must be between 1e-250 and 1e+250"),
        ({"price-low": "1", "price-high": "1.0000000000000002"}, 2, "too narrow for 50 buckets"),
        ({"bins": "0"}, 2, "greater than or equal to 1"),
        ({"model": "magic"}, 2, "model must be one of"),
        ({"turnover": "2"}, 2, "turnover must be less than or equal to 1"),
        ({"model": "two-speed", "closing": "none"}, 2, "closing policy none needs"),
        ({"profile": "fast"}, 2, "a leverage profile is one of"),
        ({"database": "no/such.duckdb"}, 2, "There is no database no/such.duckdb yet"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_no_file(export, tmp_path, options, code, message):
    out = tmp_path / "map.csv"
    found, said = export(out, **options)
    assert (found, message in " ".join(said.split())) == (code, True), said
    assert "Traceback" not in said
    assert list(tmp_path.glob("*map.csv*")) == []


def test_a_name_without_a_format_and_a_missing_folder_are_explained(export, tmp_path):
    assert "must end in .csv, .parquet or .json" in export(tmp_path / "map.txt")[1]
    code, said = export(tmp_path / "nowhere" / "map.csv")
    assert (code, "folder" in said) == (2, True)


@pytest.mark.parametrize("high", ["1e-250", "1e250"])
def test_a_range_far_from_the_prices_is_written(export, tmp_path, high):
    options = {"price-low": "0", "price-high": high}
    assert export(tmp_path / "map.parquet", **options)[0] == 0
    side = query(f"SELECT sum(active_size) AS held FROM '{tmp_path / 'map.parquet'}'")
    assert side["held"][0] > 0.0


@pytest.mark.parametrize(
    "spelling",
    ["market.duckdb", "market.duckdb.wal", "sub/../market.duckdb", "soft.csv", "hard.csv"],
)
def test_the_database_itself_is_never_replaced(export, database, monkeypatch, spelling):
    folder = database.parent
    monkeypatch.chdir(folder)
    (folder / "sub").mkdir()
    (folder / "soft.csv").symlink_to(database.name)
    (folder / "hard.csv").hardlink_to(database)
    names = sorted(path.name for path in folder.iterdir())
    code, said = export(spelling, format="csv")
    assert (code, said.count("\n")) == (2, 1)
    assert f"{spelling} is the database that the map comes from; choose another file" in said
    assert sorted(path.name for path in folder.iterdir()) == names
    with Store.open(database, read_only=True) as store:
        assert len(store.markets()) == 2


def test_columns_are_as_wide_as_asked(export, tmp_path):
    export(tmp_path / "map.parquet", interval="1h")
    stamps = query(
        f"SELECT DISTINCT timestamp AT TIME ZONE 'UTC' AS t FROM '{tmp_path / 'map.parquet'}'"
    )["t"]
    assert set(np.diff(np.sort(stamps))) == {np.timedelta64(timedelta(hours=1))}


def test_a_parquet_file_says_what_was_assumed(export, tmp_path):
    out = tmp_path / "it's a map.parquet"
    assert export(out, model="two-speed", **{"speed-ratio": "0.5"})[0] == 0
    path = str(out).replace("'", "''")
    told = query(
        f"SELECT decode(key) AS name, decode(value) AS text FROM parquet_kv_metadata('{path}')"
    )
    about = dict(zip(told["name"], told["text"], strict=True))
    assert about["symbol"] == "BTCUSDT"
    assumed = json.loads(about["assumptions"])
    assert (assumed["model"], assumed["speed_ratio"]) == ("two-speed", 0.5)
    assert len(about["engine_version"]) == 10
    reasons = [found["words"] for found in json.loads(about["calibration"]).values()]
    assert reasons
    assert all(reason.startswith("Not calibrated") for reason in reasons)
