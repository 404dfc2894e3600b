"""Maps answered from stored snapshots, or drawn from books: the same either way."""

from datetime import timedelta

import pytest
from numpy.testing import assert_allclose, assert_array_equal

from app.heatmaps import StoredHeatmaps
from app.request import HeatmapRequest
from app.settings import Settings
from engine.models import DEFAULT_MODEL, find_model
from tests.api import serving
from tests.snapshot_stores import add_part, job, precompute
from tests.stores import START, memory_store

BARS = 1300
HOUR = timedelta(hours=1)


def filled():
    store = memory_store()
    add_part(store, 0, BARS, exchange="binance", bars=BARS, seed=1)
    add_part(store, 0, BARS, exchange="bybit", bars=BARS, seed=2)
    return store


@pytest.fixture(scope="module")
def plain():
    """Return a database without snapshots."""
    with filled() as store:
        yield store


@pytest.fixture(scope="module")
def precomputed():
    """Return a database of the same data, with snapshots of both markets."""
    with filled() as store:
        for exchange in ("binance", "bybit"):
            precompute(
                store,
                job(model=find_model(DEFAULT_MODEL), exchange=exchange, width=50.0, events=False),
            )
        yield store


@pytest.fixture
def open_heatmaps(tmp_path):
    opened = []

    def make(store):
        folder = tmp_path / str(len(opened))
        opened.append(StoredHeatmaps(store, Settings(cache_dir=folder)))
        return opened[-1]

    yield make
    for heatmaps in opened:
        heatmaps.close()


def request(**changes):
    fields = {
        "symbol": "BTCUSDT",
        "start": START + 30 * HOUR,
        "stop": START + 90 * HOUR,
        "step": 2 * HOUR,
        "price_low": 40_000.0,
        "price_high": 60_000.0,
        "bucket_width": 100.0,
    }
    return HeatmapRequest(**fields | changes)


def books_made(heatmaps):
    return next(each.computations for each in heatmaps.caches() if each.name == "books")


def test_snapshots_answer_what_fits_them_without_a_book(plain, precomputed, open_heatmaps):
    read, drawn = open_heatmaps(precomputed), open_heatmaps(plain)
    from_snapshots, from_books = read.maps(request()), drawn.maps(request())
    assert (books_made(read), books_made(drawn)) == (0, 2)
    assert list(from_snapshots.parts) == list(from_books.parts) == ["binance", "bybit"]
    for exchange, part in from_snapshots.parts.items():
        other = from_books.parts[exchange]
        assert_array_equal(part.times, other.times)
        assert_array_equal(part.edges, other.edges)
        dust = 1e-11 * other.open_interest.max() * other.edges[-1]
        assert_allclose(part.active, other.active, rtol=1e-9, atol=dust)
        assert_allclose(part.consumed, other.consumed, rtol=1e-9, atol=dust)
        for name in ("opened", "closed", "liquidated", "tracked", "open_interest"):
            assert_allclose(getattr(part, name), getattr(other, name), rtol=1e-9)
    assert from_snapshots.crossing_price == from_books.crossing_price == "mark or last"
    assert from_snapshots.data_stop == from_books.data_stop
    assert from_snapshots.assumed_margin == from_books.assumed_margin


@pytest.mark.parametrize(
    "changes",
    [
        {"step": timedelta(minutes=30)},
        {"bucket_width": 75.0},
        {"model": "time-evolving"},
        {"measure": "size"},
        {"stop": START + BARS * timedelta(minutes=5)},
        {"start": START},
        {"price_low": None, "price_high": None},
        {"step": None},
    ],
)
def test_books_answer_what_does_not_fit(precomputed, open_heatmaps, changes):
    heatmaps = open_heatmaps(precomputed)
    heatmaps.maps(request(**changes))
    assert books_made(heatmaps) == 2


def test_the_grid_of_a_request_that_names_it_is_that_of_its_maps(plain, open_heatmaps):
    heatmaps = open_heatmaps(plain)
    grid = heatmaps.grid(request())
    assert books_made(heatmaps) == 0
    whole = heatmaps.maps(request()).whole
    assert_array_equal(grid.times, whole.times)
    assert_array_equal(grid.edges, whole.edges)


def test_books_at_hand_are_drawn_from(precomputed, open_heatmaps):
    heatmaps = open_heatmaps(precomputed)
    heatmaps.view(request(step=timedelta(minutes=30)))
    before = heatmaps.maps(request())
    assert books_made(heatmaps) == 2
    assert before.whole.active.any()


def test_programs_get_the_same_numbers_either_way(plain, precomputed, tmp_path):
    asked = {
        "symbol": "BTCUSDT",
        "start_time": "2026-01-02T06:00",
        "end_time": "2026-01-04T18:00",
        "interval": "1h",
        "price_low": 40_000,
        "price_high": 60_000,
        "price_bin_size": 100,
        "breakdown": "exchange",
    }
    answers = []
    for name, store in (("plain", plain), ("precomputed", precomputed)):
        with serving(store, tmp_path / name) as client:
            for route in ("heatmap", "heatmap-timeseries"):
                answer = client.get(f"/liquidations/{route}", params=asked).json()
                assert answer["meta"].pop("data_watermark")
                answers.append(answer)
            (books,) = (
                each
                for each in client.get("/cache/stats").json()["caches"]
                if each["name"] == "books"
            )
            assert (books["entries"] == 0) == (name == "precomputed")
    matrix, series, same_matrix, same_series = answers
    assert_allclose(matrix.pop("values"), same_matrix.pop("values"), atol=0.0101)
    assert_allclose(matrix.pop("consumed"), same_matrix.pop("consumed"), atol=0.0101)
    parts, same_parts = matrix.pop("exchanges"), same_matrix.pop("exchanges")
    for exchange, part in parts.items():
        assert_allclose(part, same_parts[exchange], atol=0.0101)
    for answer, same in ((matrix, same_matrix), (series, same_series)):
        assert answer["meta"].pop("coverage") == pytest.approx(same["meta"].pop("coverage"))
        assert answer["meta"] == same["meta"]
    assert matrix == same_matrix
    for one, other in zip(series["data"], same_series["data"], strict=True):
        assert [level["price"] for level in one["levels"]] == [
            level["price"] for level in other["levels"]
        ]
        assert one["opened"] == pytest.approx(other["opened"])


def test_what_an_interrupted_run_stored_says_how_it_was_made(open_heatmaps):
    with filled() as store:
        for exchange in ("binance", "bybit"):
            seen = []
            with pytest.raises(KeyboardInterrupt):
                precompute(
                    store,
                    job(
                        model=find_model(DEFAULT_MODEL), exchange=exchange, width=50.0, events=False
                    ),
                    computed=seen.append,
                    stopped=lambda seen=seen: len(seen) == 4,
                )
        heatmaps = open_heatmaps(store)
        assert heatmaps.maps(request()).crossing_price == "mark or last"
        assert books_made(heatmaps) == 0
