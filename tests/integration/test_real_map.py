"""From real Binance files to a map, by the command line."""

from datetime import UTC, datetime

import duckdb
import numpy as np
import pytest
from numpy.testing import assert_allclose

from app.cli import main
from app.markets import load_market
from engine.models import find_model
from ingest.store import Store

FALL = datetime(2026, 2, 5, tzinfo=UTC)


def liqheat(*arguments):
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    return stopped.value.code or 0


@pytest.fixture(scope="module")
def database(shared_data, tmp_path_factory):
    path = tmp_path_factory.mktemp("real") / "liqheat.duckdb"
    assert liqheat("ingest", "--database", path, shared_data / "vision") == 0
    for symbol in ("BTCUSDT", "ETHUSDT"):
        (candles,) = (shared_data / "binance_um").glob(f"{symbol}-5m_*.csv.gz")
        options = ("--exchange", "binance", "--symbol", symbol, "--kind", "candles")
        assert liqheat("ingest", "--database", path, *options, candles) == 0
    return path


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
@pytest.mark.parametrize("model", ["turnover", "time-evolving"])
def test_exported_sides_tie_to_the_open_interest_at_every_column(
    database, tmp_path, symbol, model, shared_data
):
    out = tmp_path / "map.parquet"
    options = ("--start", "2026-01-15", "--stop", "2026-02-10", "--interval", "1h")
    command = ("export", "--database", database, "--symbol", symbol, "--model", model)
    assert liqheat(*command, *options, out) == 0
    # Worked out from the file itself: the last sample at or up to 10 s after the hour.
    (metrics,) = (shared_data / "binance_um").glob(f"{symbol}-metrics_*.csv.gz")
    rows = duckdb.execute(
        """
        WITH sides AS (
            SELECT timestamp AT TIME ZONE 'UTC' AS time, side, sum(active_size) AS size
            FROM read_parquet($out) GROUP BY ALL
        )
        SELECT side, size, sum_open_interest
        FROM sides ASOF JOIN read_csv($metrics) AS stored
            ON sides.time + INTERVAL 10 SECOND >= stored.create_time
        """,
        {"out": str(out), "metrics": str(metrics)},
    ).fetchnumpy()
    assert rows["size"].size == 2 * 26 * 24
    assert_allclose(rows["size"], rows["sum_open_interest"], rtol=1e-9)


@pytest.mark.parametrize("model", ["turnover", "time-evolving"])
def test_longs_below_the_price_were_liquidated_by_the_fall_of_february(database, model):
    with Store.open(database, read_only=True) as store:
        bars = store.bars(
            "binance",
            "BTCUSDT",
            datetime(2025, 12, 1, tzinfo=UTC),
            datetime(2026, 2, 10, tzinfo=UTC),
        )
        book = find_model(model).build_book(load_market(store, bars))
    eve = int(np.searchsorted(book.open_time, np.datetime64(FALL.replace(tzinfo=None))))
    # The price reached the zone's bottom at 20:55 that evening.
    low_bar = eve + int(np.argmax(book.bars.low[eve:] <= 62_300))
    assert book.open_time[low_bar] == np.datetime64("2026-02-05T20:55")
    price = book.bars.entry[:eve] * book.tiers.base[0, 0]
    alive = (book.death[:eve, 0] >= eve) & (book.ledger.born[1 : eve + 1, 0] > 0)[:, None]
    zone = alive & (price >= 62_300) & (price <= 73_000)
    assert zone.sum() > 100
    deaths = book.death[:eve, 0][zone]
    # Every one died of a crossing, none later than the bar that reached the bottom.
    assert (deaths <= low_bar).all()
    assert (book.bars.low[deaths] <= price[zone]).all()


def test_the_exported_zone_is_empty_after_the_fall_but_for_new_levels(database, tmp_path):
    out = tmp_path / "map.parquet"
    command = ("export", "--database", database, "--symbol", "BTCUSDT", "--interval", "5m")
    zone = ("--price-low", 62_300, "--price-high", 73_000, "--bins", 107)
    days = ("--start", "2026-02-04T12:00", "--stop", "2026-02-06T12:00")
    assert liqheat(*command, *zone, *days, out) == 0
    held = duckdb.execute(
        """
        SELECT timestamp, sum(active_notional) AS active, sum(consumed_notional) AS consumed
        FROM read_parquet($out) WHERE side = 'long' AND price_low IS NOT NULL
        GROUP BY ALL ORDER BY timestamp
        """,
        {"out": str(out)},
    ).fetchnumpy()
    eve = held["active"][held["timestamp"] <= np.datetime64("2026-02-05T00:00")][-1]
    bottom = np.argmin(held["active"])
    # At the bottom only what the last minutes opened is left.
    assert held["active"][bottom] < 0.02 * eve
    assert held["consumed"][:bottom].sum() > eve
