"""Books that grow with their market are what computing them whole gives."""

import io
import threading
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import app.books
from app.books import Books
from app.cache import DiskCache
from app.heatmaps import StoredHeatmaps
from app.request import HeatmapRequest
from app.settings import Settings
from app.stored_book import to_bytes
from engine.models import find_model
from tests.stores import START, STEP, memory_store, times

MARKET = {"exchange": "binance", "symbol": "BTCUSDT"}
REQUEST = HeatmapRequest(
    symbol="BTCUSDT", start=START, stop=START + 300 * STEP, columns=50, buckets=40
)
BARS = 120
NO_DISK = DiskCache(Path("/dev/null/cache"), 1)


class Source:
    """All rows of a random market, which are stored bit by bit."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.close = 50_000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.004, BARS)))
        self.open = np.concatenate(([50_000.0], self.close[:-1]))
        self.volume = rng.gamma(2.0, 20.0, BARS)
        self.interest = 1000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, BARS + 1)))

    def candles(self, store, *bars):
        at = np.array(bars)
        store.add_candles(
            MARKET
            | {
                "interval": STEP,
                "open_time": times(BARS)[at],
                "open": self.open[at],
                "high": np.maximum(self.open, self.close)[at] * 1.001,
                "low": np.minimum(self.open, self.close)[at] * 0.999,
                "close": self.close[at],
                "volume": self.volume[at],
            }
        )

    def marks(self, store, *bars):
        at = np.array(bars)
        store.add_mark_candles(
            MARKET
            | {
                "interval": STEP,
                "open_time": times(BARS)[at],
                "open": self.open[at],
                "high": np.maximum(self.open, self.close)[at] * 1.003,
                "low": np.minimum(self.open, self.close)[at] * 0.997,
                "close": self.close[at],
            }
        )

    def samples(self, store, *bars, late=timedelta(0)):
        """Store the open interest at the bars' starts."""
        at = np.array(bars)
        time = times(BARS + 1)[at] + np.timedelta64(late)
        store.add_open_interest(MARKET | {"time": time, "open_interest": self.interest[at]})

    def all_until(self, store, bar):
        self.candles(store, *range(bar))
        self.samples(store, *range(bar + 1))


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def store(source):
    with memory_store() as store:
        source.all_until(store, 100)
        yield store


@pytest.fixture
def disk(tmp_path):
    disk = DiskCache(tmp_path / "cache", 100)
    yield disk
    disk.close()


@pytest.fixture
def whole(monkeypatch):
    """Return a list that grows by one for each book computed whole."""
    built, build = [], app.books.build_stored
    monkeypatch.setattr(app.books, "build_stored", lambda *given: built.append(1) or build(*given))
    return built


def book_of(books, store, model="turnover", **more):
    (market,) = store.markets()
    return books.get(market, REQUEST, find_model(model, **more))


def fresh(store, model="turnover", **more):
    """Return the book computed anew, without any cache."""
    return book_of(Books(store, NO_DISK, 30), store, model, **more)


def equal(grown, anew):
    grown, anew = arrays_of(grown), arrays_of(anew)
    for name, array in anew.items():
        assert_array_equal(grown[name], array, err_msg=name)


def arrays_of(stored):
    with np.load(io.BytesIO(to_bytes(stored))) as file:
        arrays = dict(file)
    # What stands there while a level lives, or of one that nothing opened, means nothing.
    death, last = arrays["death"], len(stored.book)
    size = stored.book.ledger.born[1:, :, None] * np.ones_like(death)
    arrays["death"] = np.where(size > 0.0, np.clip(death, -1 - last, last), last)
    return arrays


@pytest.mark.parametrize("closing", ["proportional", "nearest", "none"])
@pytest.mark.parametrize("model", ["turnover", "time-evolving"])
def test_new_bars_are_added_to_the_book(store, source, disk, whole, model, closing):
    books = Books(store, disk, 30)
    before = book_of(books, store, model, closing=closing)
    contents = to_bytes(before)
    for bar in range(100, 110):
        source.samples(store, bar + 1)
        source.candles(store, bar)
        grown = book_of(books, store, model, closing=closing)
        assert len(grown.book) == bar + 1
    assert len(whole) == 1
    assert to_bytes(before) == contents
    equal(grown, fresh(store, model, closing=closing))


def test_open_interest_that_comes_after_its_bar_counts(store, source, disk, whole):
    books = Books(store, disk, 30)
    book_of(books, store)
    source.candles(store, 100, 101)
    unknown = book_of(books, store)
    assert unknown.book.bars.gap[-1]
    source.samples(store, 101, 102, late=timedelta(seconds=3))
    known = book_of(books, store)
    assert not known.book.bars.gap[-2:].any()
    assert len(whole) == 1
    equal(known, fresh(store))


def test_open_interest_that_comes_back_after_a_bar_without_is_a_gap_in_the_next(
    store, source, disk, whole
):
    books = Books(store, disk, 30)
    book_of(books, store)
    source.candles(store, 100, 101)  # of the second one, the last sample is too old
    assert np.isnan(store.bars(*MARKET.values(), START, START + 102 * STEP).open_interest[-1])
    book_of(books, store)
    source.samples(store, 103)
    source.candles(store, 102)
    back = book_of(books, store)
    assert back.book.bars.gap[-1]
    assert len(whole) == 1
    equal(back, fresh(store))


def test_rows_that_are_stored_while_a_book_is_computed_are_in_the_next_one(
    store, source, disk, monkeypatch
):
    load, late = app.books.load_market, []

    def slow(*given):
        market = load(*given)
        if not late:
            at = times(1, offset=98) + np.timedelta64(3, "s")
            late.append(store.add_open_interest(MARKET | {"time": at, "open_interest": 5.0}))
        return market

    monkeypatch.setattr(app.books, "load_market", slow)
    books = Books(store, disk, 30)
    book_of(books, store)
    source.samples(store, 101)
    source.candles(store, 100)
    equal(book_of(books, store), fresh(store))


def test_rows_that_are_stored_as_a_kept_book_is_read_from_disk_are_in_the_next_one(
    store, source, disk, monkeypatch
):
    book_of(Books(store, disk, 30), store)  # by a program that has ended
    books, watermark, late = Books(store, disk, 30), store.map_watermark, []

    def slow(*given):
        found = watermark(*given)
        if not late:
            at = times(1, offset=50) + np.timedelta64(3, "s")
            late.append(store.add_open_interest(MARKET | {"time": at, "open_interest": 5.0}))
        return found

    monkeypatch.setattr(store, "map_watermark", slow)
    book_of(books, store)
    equal(book_of(books, store), fresh(store))


def test_who_looked_before_the_last_bars_came_makes_no_book_anew(store, source, disk, whole):
    books, model = Books(store, disk, 30), find_model("turnover")
    (market,) = store.markets()
    source.samples(store, 101, 102)
    source.candles(store, 100, 101)
    newest = book_of(books, store)
    books.get(market, REQUEST, model)
    source.samples(store, 50, late=timedelta(seconds=3))
    books.get(market, REQUEST, model)
    grown = book_of(books, store)
    assert len(grown.book) == len(newest.book) == 102
    assert len(whole) == 1
    equal(grown, fresh(store))


def test_mark_prices_that_come_after_their_bar_count(store, source, disk, whole):
    source.marks(store, *range(100))
    books = Books(store, disk, 30)
    assert book_of(books, store).crossing_price == "mark"
    source.samples(store, 101)
    source.candles(store, 100)
    assert book_of(books, store).crossing_price == "mark or last"
    source.marks(store, 100)
    marked = book_of(books, store)
    assert marked.crossing_price == "mark"
    assert len(whole) == 1
    equal(marked, fresh(store))


def test_rows_of_the_past_are_mapped_too(source, disk):
    with memory_store() as other:
        source.candles(other, *range(40), *range(50, 100))
        source.samples(other, *range(101))
        books = Books(other, disk, 30)
        assert book_of(books, other).book.bars.gap.any()
        source.candles(other, *range(40, 50))
        filled = book_of(books, other)
        assert not filled.book.bars.gap.any()
        equal(filled, fresh(other))


def test_a_finer_interval_is_read_when_there_is_enough_of_it(store, source, disk):
    books = Books(store, disk, 30)
    assert book_of(books, store).book.interval == STEP
    minute = timedelta(minutes=1)
    count = 500
    price = np.full(count, 50_000.0)
    opens = times(1)[0] + np.arange(count) * np.timedelta64(minute)
    prices = {"open": price, "high": price + 1, "low": price - 1, "close": price}
    store.add_candles(
        MARKET | {"interval": minute, "open_time": opens, "volume": np.ones(count)} | prices
    )
    assert book_of(books, store).book.interval == minute
    equal(book_of(books, store), fresh(store))


def test_liquidations_do_not_touch_the_book(store, disk, whole):
    books = Books(store, disk, 30)
    before = book_of(books, store)
    store.add_liquidations(
        MARKET | {"time": times(1, offset=99), "side": 1, "quantity": 1.0, "price": 5.0}
    )
    assert book_of(books, store) is before
    assert len(whole) == 1


def test_new_leverage_tiers_make_the_book_anew(store, source, disk, whole):
    books = Books(store, disk, 30)
    book_of(books, store)
    tier = {"floor": 0.0, "cap": np.inf, "max_leverage": 20.0, "maintenance_rate": 0.02}
    store.add_leverage_tiers(MARKET | tier | {"valid_from": times(1, offset=50)})
    equal(book_of(books, store), fresh(store))
    assert len(whole) >= 2


def test_a_book_of_another_model_is_another_book(store, source, disk):
    books = Books(store, disk, 30)
    book_of(books, store)
    book_of(books, store, "time-evolving")
    source.samples(store, 101)
    source.candles(store, 100)
    for model in ("turnover", "time-evolving"):
        equal(book_of(books, store, model), fresh(store, model))


def test_only_one_state_of_a_book_is_kept_in_memory(store, source, disk):
    books = Books(store, disk, 30)
    book_of(books, store)
    size = books.stats().bytes
    for bar in range(100, 110):
        source.samples(store, bar + 1)
        source.candles(store, bar)
        book_of(books, store)
    assert books.stats().entries == 1
    assert books.stats().bytes < 1.5 * size


STEPS = st.lists(
    st.tuples(st.sampled_from(["candles", "marks", "samples", "read"]), st.integers(0, 7)),
    min_size=5,
    max_size=40,
)


@settings(deadline=None, max_examples=25)
@given(steps=STEPS, seed=st.integers(0, 5), closing=st.sampled_from(["proportional", "nearest"]))
def test_in_whatever_order_rows_come_the_book_is_that_of_all_of_them(steps, seed, closing):
    source = Source(seed)
    with memory_store() as store:
        source.all_until(store, 60)
        books = Books(store, NO_DISK, 30)
        for what, bar in steps:
            if what == "read":
                book_of(books, store, closing=closing)
            else:
                getattr(source, what)(store, 57 + bar)
        equal(book_of(books, store, closing=closing), fresh(store, closing=closing))


def test_readers_never_see_less_than_was_stored_before_they_asked(store, source, disk):
    books, failures, done = Books(store, disk, 30), [], threading.Event()

    def read():
        while not done.is_set():
            (market,) = store.markets()
            end = market.last
            found = books.get(market, REQUEST, find_model("turnover"))
            if found.book.stop < np.datetime64(end.replace(tzinfo=None), "us"):
                failures.append((found.book.stop, end))

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for bar in range(100, BARS):
            source.samples(store, bar + 1)
            source.candles(store, bar)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert failures == []
    equal(book_of(books, store), fresh(store))


def test_the_map_moves_on_with_each_bar(store, source, tmp_path):
    heatmaps = StoredHeatmaps(store, Settings(cache_dir=tmp_path / "cache"))
    ask = partial(HeatmapRequest, symbol="BTCUSDT", start=START, columns=400, buckets=40)
    for bar in range(100, 104):
        source.samples(store, bar + 1)
        source.candles(store, bar)
        view = heatmaps.view(ask(stop=START + (bar + 1) * STEP))
        assert view.heatmap.times[-1] == times(1, offset=bar + 1)[0]
        assert_allclose(view.heatmap.open_interest[-1], source.interest[bar + 1])
    heatmaps.close()
