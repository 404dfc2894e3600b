"""Modelled amounts beside what feeds report: per market, feed and side, from what is stored."""

import csv
import io
from datetime import timedelta

import numpy as np
import pytest

from app import __version__
from app.calibrations import Calibrator, from_json
from app.heatmaps import StoredHeatmaps
from app.markets import load_market
from app.request import HeatmapRequest
from app.score_record import assumptions_key
from app.settings import Settings
from app.stored_book import build_stored
from engine.book import build_book
from engine.models import DEFAULT_MODEL, find_model
from engine.score import Calibration, Verdict
from ingest.measured import stored_calibration
from tests.api import serving
from tests.stores import START, add_market, memory_store, times

DAYS = 45
STOP = START + timedelta(days=DAYS)
FIVE = (START + timedelta(days=DAYS / 2), START + timedelta(days=DAYS / 2, hours=1))
DAY = np.timedelta64(1, "D")


def add_liquidations(store, first_day, days, *, exchange="binance", notional=1000.0):
    """Store a long and half as large a short liquidation each hour of some days."""
    time = times(1)[0] + first_day * DAY + np.arange(24 * days) * np.timedelta64(1, "h")
    for side, size in ((1, notional), (-1, notional / 2)):
        store.add_liquidations(
            {
                "exchange": exchange,
                "symbol": "BTCUSDT",
                "time": time,
                "side": np.full(time.size, side, np.int8),
                "quantity": np.full(time.size, size / 50_000.0),
                "price": np.full(time.size, 50_000.0),
            }
        )


def request(**changes):
    asked = {"symbol": "BTCUSDT", "start": STOP - timedelta(days=2), "stop": STOP, "columns": 48}
    return HeatmapRequest(**asked | changes)


@pytest.fixture
def store():
    with memory_store() as store:
        add_market(store, bars=288 * DAYS)
        yield store


@pytest.fixture
def heatmaps(store, tmp_path):
    heatmaps = StoredHeatmaps(store, Settings(cache_dir=tmp_path))
    yield heatmaps
    heatmaps.close()


@pytest.fixture
def calibrated(store, heatmaps):
    add_liquidations(store, 10, 34)
    return heatmaps


def test_a_market_with_few_days_of_liquidations_is_not_calibrated(store, heatmaps):
    add_liquidations(store, 12, 20)
    found = heatmaps.calibrations(request()).markets["binance"]
    # The first day and the last may have been recorded in part.
    assert found.words == "Not calibrated: 18 days of liquidations are too few (30 needed)."
    assert heatmaps.view(request()).calibrated is None


def test_a_factor_is_what_was_reported_over_what_the_book_lost(calibrated):
    found = calibrated.calibrations(request()).markets["binance"]
    assert isinstance(found, Calibration)
    assert found.days == 32
    book = build(calibrated.store)
    crossed = book.crossed()[:, (book.open_time >= found.start) & (book.open_time < found.stop)]
    # 24 liquidations a day of 1000 and of 500, and the five that every such market has.
    five = calibrated.store.liquidations("binance", "BTCUSDT", *FIVE)
    long, short = (five["notional"][five["side"] == side] for side in (1, -1))
    long, short = long[long != 1000.0].sum(), short[short != 500.0].sum()
    assert found.long.value == pytest.approx((32 * 24 * 1000.0 + long) / crossed[0].sum())
    assert found.short.value == pytest.approx((32 * 24 * 500.0 + short) / crossed[1].sum())


def build(store):
    market = load_market(store, store.bars("binance", "BTCUSDT", START, STOP))
    return build_book(market, find_model(DEFAULT_MODEL).parameters)


def test_it_is_kept_with_the_state_of_data_and_program(calibrated):
    found = calibrated.calibrations(request()).markets["binance"]
    key = assumptions_key(request().in_force())
    kept = stored_calibration(calibrated.store, "binance", "BTCUSDT", "binance", key)
    assert kept.watermark == calibrated.store.watermark(("binance",), "BTCUSDT")
    assert kept.program_version.startswith(__version__)
    assert from_json(kept.result) == found


def test_it_is_renewed_by_a_program_that_calibrates_otherwise(store, monkeypatch):
    add_liquidations(store, 10, 34)
    market, model = store.markets()[0], find_model(DEFAULT_MODEL)
    bars = store.bars("binance", "BTCUSDT", market.first, market.last)
    book = build_stored(load_market(store, bars), model)
    first = Calibrator(store).of(book, request())
    assert isinstance(first, Calibration)
    days = "app.calibrations.calibrate_days"
    monkeypatch.setattr(days, lambda *_: Verdict("no verdict", "Not calibrated: otherwise."))
    assert Calibrator(store).of(book, request()) == first
    monkeypatch.setattr("app.calibrations.score_version", lambda: "newer")
    assert isinstance(Calibrator(store).of(book, request()), Verdict)


def test_it_is_renewed_when_liquidations_of_whole_days_arrive(store, calibrated):
    before = calibrated.calibrations(request()).markets["binance"]
    add_liquidations(store, 10, 34, notional=3000.0)
    after = calibrated.calibrations(request()).markets["binance"]
    crossed = build(store).crossed()[0, 288 * 11 : 288 * 43].sum()
    assert (after.long.value - before.long.value) * crossed == pytest.approx(32 * 24 * 3000.0)


def test_each_market_and_model_has_its_own(store, calibrated):
    add_market(store, "bybit", seed=2, bars=288 * DAYS)
    both = calibrated.calibrations(request())
    assert set(both.markets) == {"binance", "bybit"}
    assert not both.known
    one = calibrated.calibrations(request(exchanges=("binance",)))
    other = calibrated.calibrations(request(exchanges=("binance",), model="time-evolving"))
    assert one.known
    assert one.markets["binance"].long.value != other.markets["binance"].long.value


def test_pages_and_answers_carry_calibrated_amounts(store, calibrated, tmp_path):
    found = calibrated.calibrations(request()).markets["binance"]
    view = calibrated.view(request())
    assert view.calibrated.sum() > 0.0
    with serving(store, tmp_path / "api") as client:
        answer = get(client, "heatmap-timeseries", limit=3)
        stated = answer["meta"]["calibration"]["binance"]
        assert stated["feed"] == "binance"
        assert stated["days"] == 32
        assert stated["factor"]["long"] == pytest.approx(found.long.value)
        level = max(answer["data"][-1]["levels"], key=lambda level: level["long_density"])
        assert level["calibrated_long_density"] == pytest.approx(
            found.long.value * level["long_density"], abs=0.01
        )
        cells = get(client, "heatmap", price_bins=50)
        assert sum(map(sum, cells["calibrated_values"])) == pytest.approx(
            sum(
                found.long.value * level.get("long_density", 0.0)
                + found.short.value * level.get("short_density", 0.0)
                for snapshot in get(client, "heatmap-timeseries", limit=1000, price_bins=50)["data"]
                for level in snapshot["levels"]
            ),
            rel=1e-4,
        )
        for breakdown in ("none", "exchange"):
            rows = get_csv(client, "heatmap-timeseries", limit=3, breakdown=breakdown)
            row = max(rows, key=lambda row: float(row["long_density"]))
            assert float(row["calibrated_long_density"]) == pytest.approx(
                found.long.value * float(row["long_density"]), abs=0.01
            )
        bucket = max(get(client, "map")["data"], key=lambda bucket: sum(bucket["short"].values()))
        assert bucket["calibrated_short"] == pytest.approx(
            found.short.value * sum(bucket["short"].values()), abs=0.05
        )
        pain = get(client, "max-pain")["data"][0]
        assert pain["calibrated_long_max_pain_notional"] == pytest.approx(
            found.long.value * pain["long_max_pain_notional"], abs=0.02
        )


def test_answers_without_a_calibration_say_why(store, tmp_path):
    with serving(store, tmp_path) as client:
        answer = get(client, "heatmap-timeseries", limit=3)
    stated = answer["meta"]["calibration"]["binance"]
    assert stated["factor"] is None
    assert "days of liquidations are too few (30 needed)" in stated["reason"]
    assert "calibrated_long_density" not in answer["data"][-1]["levels"][0]


def get_csv(client, route, **asked):
    text = answer_of(client, route, format="csv", **asked).text
    return list(csv.DictReader(io.StringIO(text)))


def get(client, route, **asked):
    return answer_of(client, route, **asked).json()


def answer_of(client, route, **asked):
    times = {}
    if route.startswith("heatmap"):
        times = {"start_time": (STOP - timedelta(days=1)).isoformat()}
    answer = client.get(f"/liquidations/{route}", params={"symbol": "BTCUSDT"} | asked | times)
    assert answer.status_code == 200, answer.text
    return answer
