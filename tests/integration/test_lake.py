"""A database becomes a lake, and a lake a database, without losing anything."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from ingest.bars import Bars
from ingest.errors import FileError
from ingest.lake import KINDS, Lake, lake_markets, read_market
from ingest.lake_export import write_lake
from ingest.lake_import import import_lake
from tests.stores import STEP, add_market, memory_store, times

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 2, 3, 4, 5, tzinfo=UTC)
EVER = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
BTC = {"exchange": "binance", "symbol": "BTCUSDT"}


def write(store, folder, **options):
    return write_lake(store, folder, program_version="1.2.3", now=NOW, **options)


def copy_of(store, folder):
    """Return a new database in memory, made of the lake of another."""
    write(store, folder)
    copy = memory_store()
    import_lake(copy, Lake.open(folder))
    return copy


def rows_of(store):
    """Return all that a lake is to keep."""
    with store.cursor() as cursor:
        return {
            name: cursor.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall() for name in KINDS
        }


def assert_same_bars(a, b, exchange="binance", symbol="BTCUSDT"):
    ours, theirs = (store.bars(exchange, symbol, *EVER) for store in (a, b))
    assert len(ours)
    for name in Bars.__slots__:
        one, other = getattr(ours, name), getattr(theirs, name)
        if isinstance(one, np.ndarray):  # bit for bit
            one, other = one.tobytes(), other.tobytes()
        assert repr(one) == repr(other), name


# One market, for workers


def test_a_market_of_a_lake_is_read_for_computing(tmp_path):
    with memory_store() as store:
        add_market(store)
        add_market(store, "okx", seed=1)
        store.add_mark_candles(
            BTC
            | {"interval": STEP, "open_time": times(600)}
            | dict.fromkeys(("open", "high", "low", "close"), 50_000.0)
        )
        write(store, tmp_path / "lake")
        assert lake_markets(tmp_path / "lake") == [("binance", "BTCUSDT"), ("okx", "BTCUSDT")]
        for _ in range(2):
            with read_market(tmp_path / "lake", "binance", "BTCUSDT") as market:
                assert_same_bars(store, market)
                assert market.watermark(("binance",), "BTCUSDT") == store.watermark(
                    ("binance",), "BTCUSDT"
                )
                assert [m.exchange for m in market.markets()] == ["binance"]
                assert market.liquidations("binance", "BTCUSDT", *EVER)["time"].size == 0


def test_a_market_is_read_without_looking_at_others(tmp_path):
    with memory_store() as store:
        add_market(store)
        add_market(store, "okx")
        add_market(store, symbol="ETHUSDT")
        write(store, tmp_path / "lake")
        for file in (tmp_path / "lake").rglob("*.parquet"):
            if not ("exchange=binance" in str(file) and "symbol=BTCUSDT" in str(file)):
                file.write_bytes(b"broken")
        with read_market(tmp_path / "lake", "binance", "BTCUSDT") as market:
            assert_same_bars(store, market)
    with pytest.raises(FileError, match=r"candles.*exchange=okx.*expected a whole Parquet file"):
        read_market(tmp_path / "lake", "okx", "BTCUSDT")
