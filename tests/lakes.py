"""Lakes for tests."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ingest.bars import Bars
from ingest.lake import KINDS
from ingest.lake_export import write_lake
from ingest.lake_import import check_lake, import_lake
from tests.stores import STEP, add_market, times

ROOT = Path(__file__).resolve().parents[1]
NOW = datetime(2026, 2, 3, 4, 5, tzinfo=UTC)
EVER = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
BTC = {"exchange": "binance", "symbol": "BTCUSDT"}
BTC_CANDLES = Path("candles", "exchange=binance", "symbol=BTCUSDT", "month=2026-01", "part.parquet")


def write(store, folder, **options):
    return write_lake(store, folder, program_version="1.2.3", now=NOW, **options)


def read(store, folder):
    return import_lake(store, check_lake(folder))


def rows_of(store):
    """Return all that a lake is to keep."""
    with store.cursor() as cursor:
        return {
            name: cursor.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall() for name in KINDS
        }


def markets_of(store):
    """Return exchange and symbol of every market that has rows."""
    with store.cursor() as cursor:
        return {
            market
            for name in KINDS
            for market in cursor.execute(f"SELECT exchange, symbol FROM {name}").fetchall()
        }


def assert_same(a, b):
    """Every table holds the same rows as often, and every market gives the same bars."""
    ours, theirs = rows_of(a), rows_of(b)
    for name in KINDS:
        # As text: NaN is not equal to itself, and 0.0 is equal to -0.0.
        assert [*map(repr, ours[name])] == [*map(repr, theirs[name])], name
    assert a.coverage() == b.coverage()
    assert a.is_simulated() == b.is_simulated()
    for market in a.markets():
        assert_same_bars(a, b, market.exchange, market.symbol)


def assert_same_bars(a, b, exchange="binance", symbol="BTCUSDT"):
    ours, theirs = (store.bars(exchange, symbol, *EVER) for store in (a, b))
    for name in Bars.__slots__:
        one, other = getattr(ours, name), getattr(theirs, name)
        if isinstance(one, np.ndarray):  # bit for bit
            one, other = one.tobytes(), other.tobytes()
        assert repr(one) == repr(other), name


def add_all_kinds(store, *, seed=0, **market):
    """Store a market with rows in every table that a lake holds."""
    market = BTC | market
    add_market(store, **market, bars=30, seed=seed)
    marks = dict.fromkeys(("open", "high", "low", "close"), 50_000.0)
    store.add_mark_candles(market | {"interval": STEP, "open_time": times(30)} | marks)
    store.add_funding_rates(
        market | {"time": times(2), "funding_rate": 1e-4, "interval_hours": [8.0, np.nan]}
    )
    tiers = {"max_leverage": [125.0, 50.0], "maintenance_rate": [0.004, 0.01]}
    store.add_leverage_tiers(
        market
        | {"valid_from": times(1)[0], "floor": [0.0, 5e4], "cap": [5e4, np.inf], "deduction": 0.1}
        | tiers
    )
    store.add_liquidations(  # they differ in nothing but the exchange's own id
        market
        | {"time": times(1)[0], "side": 1, "quantity": 1.0, "price": 5e4, "trade_id": [-1, 7, 8]}
    )
    positions = {"side": [1, 1, -1], "quantity": 1.0, "entry_price": 5e4, "leverage": 10.0}
    store.add_simulated_positions(  # two are alike
        market
        | {
            "opened": times(1)[0],
            "closed": [times(2)[1], times(2)[1], np.datetime64("NaT")],
            "end_reason": ["closed", "closed", "open"],
            "liquidation_price": 45_100.0,
        }
        | positions
    )
    with store.transaction() as cursor:
        cursor.execute(
            "INSERT INTO observed_positions VALUES ($exchange, $symbol, '0x1', 'long', 0.5, 50000, "
            "20, true, NULL, 1250, '2026-01-31 23:59', '2026-02-01 01:00')",
            market,
        )
        cursor.execute(
            "INSERT INTO trades VALUES ($exchange, $symbol, 7, '2026-01-31 23:59:59.999999', "
            "50000.1, 0.003, true)",
            market,
        )
        cursor.execute(
            "INSERT INTO ingested_files VALUES (repeat('0f', 32), $exchange, $symbol, 'trades', "
            "'/data/it''s here.zip', 12, 30, 30, NULL, '2026-01-05', true, '2026-02-01')",
            market,
        )


def contents_of(path):
    """Return all files and folders below a path, and what they hold."""
    return {
        child: child.read_bytes() if child.is_file() else None for child in [path, *path.rglob("*")]
    }
