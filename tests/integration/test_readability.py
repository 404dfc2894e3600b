"""The readability of BTCUSDT's map that is known from the shared market data."""

from datetime import timedelta

import numpy as np
import pytest

from app.cli import main as liqheat
from benchmarks import readability as benchmark
from engine.heatmap import rasterise
from engine.models import MODELS
from engine.score.readability import readability
from tests.shared_data import five_minutes

TIMES = np.arange(
    np.datetime64("2026-01-30T00", "us"), np.datetime64("2026-03-01T01"), 3_600_000_000
)
EDGES = np.linspace(40_000.0, 100_000.0, 1201)


@pytest.fixture(scope="module")
def market(shared_data):
    return five_minutes(shared_data, "BTCUSDT")


@pytest.fixture(scope="module")
def read(market):
    def of(model, lasting=None):
        book = MODELS[model].build_book(market)
        ends = market.open_time + np.timedelta64(market.interval)
        price = market.close[np.searchsorted(ends, TIMES[1:], side="right") - 1]
        return readability(rasterise(book, TIMES, EDGES, lasting=lasting).active, EDGES, price)

    return of


def test_the_default_map_is_as_readable_as_known(read):
    found = read("two-speed")
    assert found.persistence == pytest.approx(0.679154, abs=1e-6)
    assert found.fullest_tenth == pytest.approx(0.159373, abs=1e-6)
    assert (found.looks, found.long_jumps, found.short_jumps) == (179, 62, 55)
    assert found.ghosts == pytest.approx(0.007636, abs=1e-6)


def test_its_lasting_part_is_as_readable_as_known(read):
    found = read("two-speed", timedelta(hours=24))
    assert found.persistence == pytest.approx(0.707933, abs=1e-6)
    assert found.fullest_tenth == pytest.approx(0.198621, abs=1e-6)
    assert (found.long_jumps, found.short_jumps) == (38, 45)
    assert found.ghosts == pytest.approx(0.0055, abs=5e-5)


def test_the_former_default_is_as_little_readable_as_known(read):
    found = read("turnover")
    assert found.persistence == pytest.approx(0.09, abs=0.005)
    assert found.fullest_tenth == pytest.approx(0.140, abs=0.0005)
    assert (found.long_jumps, found.short_jumps) == (91, 83)
    assert found.ghosts == pytest.approx(0.087, abs=0.0005)


def test_the_benchmark_prints_the_same_of_a_stored_market(shared_data, tmp_path, capsys):
    database, folder = tmp_path / "liqheat.duckdb", shared_data / "binance_um"
    for kind, name in (("candles", "5m"), ("metrics", "metrics")):
        (file,) = folder.glob(f"BTCUSDT-{name}_*.csv.gz")
        options = ("--exchange", "binance", "--symbol", "BTCUSDT", "--kind", kind)
        with pytest.raises(SystemExit) as ended:
            liqheat(["ingest", "--database", str(database), *options, str(file)])
        assert not ended.value.code
    grid = ("--low", "40000", "--high", "100000", "--row", "50")
    found = benchmark.main(["--database", str(database), "--stop", "2026-03-01", *grid])
    one = found["two-speed, all"]
    assert one.persistence == pytest.approx(0.679154, abs=1e-6)
    assert one.fullest_tenth == pytest.approx(0.159373, abs=1e-6)
    assert (one.looks, one.long_jumps, one.short_jumps) == (179, 62, 55)
    assert one.ghosts == pytest.approx(0.007636, abs=1e-6)
    assert "0.159373 62, 55 of 179  0.007636" in capsys.readouterr().out
