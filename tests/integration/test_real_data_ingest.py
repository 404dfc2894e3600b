"""Real files against counts and values that plain Python reads from them."""

import csv
import gzip
import io
import zipfile
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ingest.files.ingestion import find, load_all
from ingest.files.kinds import Kind
from ingest.files.recognise import Told
from ingest.store import Store

START, STOP = datetime(2025, 8, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
FALL = datetime(2026, 2, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def vision(shared_data):
    """The archive tree, loaded."""
    with Store.open(":memory:") as store:
        outcomes = list(load_all(store, find([shared_data / "vision"]).sources))
        yield store, outcomes


def test_every_file_of_the_archive_tree_loads_with_all_its_rows(vision, shared_data):
    _, outcomes = vision
    zips = {path: archived_rows(path) for path in (shared_data / "vision").rglob("*.zip")}
    assert {outcome.source.path for outcome in outcomes} == set(zips)
    for outcome in outcomes:
        assert outcome.rows == len(zips[outcome.source.path])
        assert outcome.rows == outcome.added + outcome.missing + outcome.repeated


def test_the_archive_tree_gives_each_key_once_without_gaps(vision, shared_data):
    store, _ = vision
    folders = {"candles": "klines", "metrics": "metrics", "funding": "fundingRate"}
    for found in store.coverage():
        paths = (shared_data / "vision").rglob(f"{folders[found.kind]}/{found.symbol}/**/*.zip")
        keys = {row[0] for path in paths for row in archived_rows(path)}
        assert found.rows == len(keys)
        assert found.gaps == ()
    assert {(c.symbol, c.kind) for c in store.coverage()} == {
        ("BTCUSDT", "candles"),
        *((symbol, kind) for symbol in ("BTCUSDT", "ETHUSDT") for kind in ("metrics", "funding")),
    }


def test_a_bar_ties_to_the_files_it_comes_from(vision, shared_data):
    store, _ = vision
    bars = store.bars("binance", "BTCUSDT", FALL, FALL + timedelta(days=1))
    assert len(bars) == 96
    assert bars.interval == timedelta(minutes=15)
    rows = {
        int(row[0]): row
        for path in (shared_data / "vision").rglob("BTCUSDT-15m-2026-02.zip")
        for row in archived_rows(path)
    }
    metrics = {
        row[0]: float(row[2])
        for path in (shared_data / "vision").rglob("BTCUSDT-metrics-2026-02-0[456].zip")
        for row in archived_rows(path)
    }
    for k, time in enumerate(bars.open_time.tolist()):
        row = rows[int(time.replace(tzinfo=UTC).timestamp() * 1000)]
        found = bars.open[k], bars.high[k], bars.low[k], bars.close[k], bars.volume[k]
        assert found == tuple(float(cell) for cell in row[1:6])
        assert bars.quote_volume[k] == float(row[7])
        assert bars.taker_buy_volume[k] == float(row[9])
        end = time + timedelta(minutes=15)
        assert bars.open_interest[k] == metrics[f"{end:%Y-%m-%d %H:%M:%S}"]
    assert bars.initial_open_interest == metrics["2026-02-05 00:00:00"]


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_named_files_load_with_all_their_rows(shared_data, symbol):
    folder = shared_data / "binance_um"
    files = {
        f"{symbol}-5m_2025-11-14_2026-02-28.csv.gz": Kind.CANDLES,
        f"{symbol}-metrics_2025-12-01_2026-02-28.csv.gz": Kind.METRICS,
        f"{symbol}-fundingRate_2025-12-01_2026-02-28.csv.gz": Kind.FUNDING,
    }
    with Store.open(":memory:") as store:
        for name, kind in files.items():
            (outcome,) = ingest(store, folder / name, Told("binance", symbol, kind))
            assert outcome.added == len(packed_rows(folder / name))
            assert (outcome.missing, outcome.repeated) == (0, 0)
        bars = store.bars("binance", symbol, FALL, FALL + timedelta(days=1))
        rows = packed_rows(folder / next(iter(files)))
    first = int(FALL.timestamp() * 1000)
    day = [row for row in rows if first <= int(row[0]) < first + 86_400_000]
    assert len(bars) == len(day) == 288
    np.testing.assert_array_equal(bars.low, [float(row[3]) for row in day])
    assert np.isfinite(bars.open_interest).all()
    assert np.isnan(bars.taker_buy_volume).all()


def test_files_of_both_sources_overlap_without_doubling(vision, shared_data):
    store, _ = vision
    name = "BTCUSDT-15m_full-schema_2025-08-31_2026-02-28.csv.gz"
    path = shared_data / "binance_um" / name
    before = {(c.symbol, c.kind): c.rows for c in store.coverage()}
    (outcome,) = ingest(store, path, Told("binance", "BTCUSDT", Kind.CANDLES))
    archived = {
        row[0]
        for zip_path in (shared_data / "vision").rglob("BTCUSDT-15m-*.zip")
        for row in archived_rows(zip_path)
    }
    new = {row[0] for row in packed_rows(path)} - archived
    assert outcome.added == len(new)
    assert {(c.symbol, c.kind): c.rows for c in store.coverage()} == before | {
        ("BTCUSDT", "candles"): len(archived | new)
    }
    bars = store.bars("binance", "BTCUSDT", START, STOP)
    assert np.isfinite(bars.taker_buy_volume).all()


def ingest(store, path, told):
    return list(load_all(store, find([path], told).sources))


def archived_rows(path):
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
        return list(csv.reader(io.TextIOWrapper(file)))[1:]


def packed_rows(path):
    with gzip.open(path, "rt") as file:
        return list(csv.reader(file))[1:]
