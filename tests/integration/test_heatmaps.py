"""The one path from stored rows to a view."""

import gc
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pydantic import ValidationError

import app.views
from app.callbacks.live import offered_presets
from app.errors import NoData
from app.fits import FittedPreset, keep
from app.heatmaps import StoredHeatmaps
from app.page_state import PageState
from app.picture import Picture, draw, heatmap_request
from app.request import HeatmapRequest
from app.settings import Settings
from app.stored_book import build_stored
from ingest.coverage import MarketCoverage
from tests.stores import START, STEP, add_market, memory_store, times

NOW, LATER = datetime(2026, 1, 3, tzinfo=UTC), datetime(2026, 1, 4, tzinfo=UTC)


@pytest.fixture
def store():
    with memory_store() as store:
        add_market(store, "binance", seed=1)
        add_market(store, "bybit", seed=2, missing=[300, 301, 302])
        add_market(store, "okx", seed=3, open_interest=False)
        yield store


@pytest.fixture
def heatmaps(store, tmp_path):
    heatmaps = StoredHeatmaps(store, Settings(cache_dir=tmp_path / "cache"))
    yield heatmaps
    heatmaps.close()


def request(**changes):
    fields = {
        "symbol": "BTCUSDT",
        "start": START + 100 * STEP,
        "stop": START + 500 * STEP,
        "exchanges": ("binance", "bybit"),
    }
    return HeatmapRequest(**fields | changes)


def test_view_has_a_column_for_every_bar_of_the_window(heatmaps):
    view = heatmaps.view(request())
    assert view.heatmap.times.size - 1 == 400
    assert view.heatmap.times[0] == times(1, offset=100)[0]
    assert view.candles.open_time.size == 400
    assert (view.heatmap.edges[0] < view.candles.low.min()).all()


def test_parts_sum_to_the_whole(heatmaps):
    view = heatmaps.view(request())
    assert view.exchanges == ("binance", "bybit")
    assert_allclose(view.heatmap.active, view.parts["binance"].active + view.parts["bybit"].active)


def test_one_exchange_alone_equals_its_part(heatmaps):
    both, one = heatmaps.view(request()), heatmaps.view(request(exchanges=("bybit",)))
    edges = both.heatmap.edges
    same_grid = heatmaps.view(
        request(exchanges=("bybit",), price_low=edges[0], price_high=edges[-1])
    )
    assert one.exchanges == ("bybit",)
    assert_array_equal(same_grid.heatmap.active, both.parts["bybit"].active)


def test_windows_and_zooms_of_one_map_agree(heatmaps):
    """A book begins with the data, so what a reader sees at one time does not depend on how."""
    wide = heatmaps.view(request(price_low=45_000, price_high=55_000))
    late = heatmaps.view(request(start=START + 400 * STEP, price_low=45_000, price_high=55_000))
    assert_allclose(wide.heatmap.active[:, :, 300:], late.heatmap.active, rtol=1e-9)


def test_zooming_in_price_draws_finer_buckets(heatmaps):
    wide = heatmaps.view(request())
    zoomed = heatmaps.view(request(price_low=49_000.0, price_high=50_000.0))
    assert np.diff(zoomed.heatmap.edges)[0] < np.diff(wide.heatmap.edges)[0]
    # The same notional in the same price range, in smaller pieces.
    low, high = zoomed.heatmap.edges[[0, -1]]
    inside = (wide.heatmap.edges[:-1] >= low) & (wide.heatmap.edges[1:] <= high)
    assert zoomed.heatmap.active.sum() >= wide.heatmap.active[:, inside].sum() * (1 - 1e-9)


def test_window_is_cut_to_what_is_stored(heatmaps):
    view = heatmaps.view(request(start=START - timedelta(days=9), stop=START + timedelta(days=90)))
    assert view.heatmap.times[-1] == view.data_stop == times(1, offset=600)[0]


def test_missing_bars_are_reported_as_gaps(heatmaps):
    gaps = heatmaps.view(request()).gaps
    # Bars 300 to 302 are missing; the flow of the next one is not known either.
    assert gaps == ((times(1, offset=300)[0], times(1, offset=304)[0]),)


def shorter(store, exchange, first, last):
    """Store a market that has bars ``first <= bar < last`` only."""
    add_market(store, exchange, seed=4, missing=[*range(first), *range(last, 600)])


def test_an_exchange_whose_data_end_is_not_drawn_as_if_alive(store, heatmaps):
    shorter(store, "gate", 0, 300)
    asked = request(exchanges=("binance", "gate"), price_low=40_000, price_high=60_000)
    gate = heatmaps.view(asked).parts["gate"]
    # Its last state stands for an hour of twelve bars, columns being 100, 101, …
    assert (gate.active.sum(axis=(0, 1)) > 0.0).tolist() == [True] * 212 + [False] * 188
    assert (gate.open_interest > 0.0).sum() == 212
    assert (times(1, offset=312)[0], times(1, offset=500)[0]) in heatmaps.view(asked).gaps


def test_an_exchange_whose_data_begin_late_has_nothing_before(store, heatmaps):
    shorter(store, "gate", 200, 600)
    asked = request(exchanges=("binance", "gate"), price_low=40_000, price_high=60_000)
    view = heatmaps.view(asked)
    assert view.parts["gate"].open_interest[:100].sum() == 0.0
    assert view.parts["gate"].open_interest[102] > 0.0
    assert view.begun == {"gate": times(1, offset=200)[0]}
    assert not [gap for gap in view.gaps if gap[0] < view.begun["gate"]]


def test_wide_and_late_windows_agree_when_an_exchange_has_ended(store, heatmaps):
    shorter(store, "gate", 0, 300)
    fields = {"exchanges": ("binance", "gate"), "price_low": 40_000, "price_high": 60_000}
    wide = heatmaps.view(request(**fields))
    late = heatmaps.view(request(start=START + 400 * STEP, **fields))
    assert_allclose(wide.heatmap.active[:, :, -1], late.heatmap.active[:, :, -1], rtol=1e-9)
    assert wide.key_figures == late.key_figures


def test_candles_come_from_an_exchange_that_has_them_in_the_window(store, heatmaps):
    shorter(store, "gate", 0, 300)
    view = heatmaps.view(request(exchanges=("binance", "gate"), start=START + 301 * STEP))
    assert view.candle_exchange == "binance"


def test_other_exchanges_do_not_make_books_anew(store, tmp_path, monkeypatch):
    built = []
    monkeypatch.setattr(
        "app.books.build_stored",
        lambda market, model: built.append(market.exchange) or build_stored(market, model),
    )
    heatmaps = StoredHeatmaps(store, Settings(cache_dir=tmp_path / "cache"))
    heatmaps.view(request())
    heatmaps.view(request(exchanges=("binance",)))
    heatmaps.view(request(exchanges=("bybit",)))
    add_market(store, "gate", seed=5)
    heatmaps.view(request())
    heatmaps.close()
    assert built == ["binance", "bybit"]


def test_long_histories_begin_with_the_warm_up_of_the_whole(heatmaps, monkeypatch):
    monkeypatch.setattr("app.history.LONGEST_BOOK", 100)
    # The warm-up reaches before the data, so nothing is cut.
    first = heatmaps.view(request(exchanges=("binance",)))
    monkeypatch.setattr("app.history._month_before", lambda moment, days: START + 300 * STEP)
    late = heatmaps.view(request(exchanges=("binance",), stop=START + 499 * STEP))
    assert (first.heatmap.times[0], late.heatmap.times[0]) == (
        times(1, offset=100)[0],
        times(1, offset=300)[0],
    )


def test_mark_prices_liquidate_where_they_are_stored(store, heatmaps):
    only = {"exchanges": ("binance",), "profile": "100:1", "model": "time-evolving"}
    before = heatmaps.view(request(**only))
    assert before.crossing_price == "last"
    bars = store.bars("binance", "BTCUSDT", START, START + 600 * STEP)
    flat = {name: np.full(600, 45_000.0) for name in ("open", "low", "close")}
    store.add_mark_candles(
        {"exchange": "binance", "symbol": "BTCUSDT", "interval": STEP, "open_time": bars.open_time}
        | flat
        | {"high": np.full(600, 60_000.0)}
    )
    after = heatmaps.view(request(**only))
    assert after.crossing_price == "mark"
    # The mark price swings through every level in each bar: all that opens dies in the next one.
    held = after.parts["binance"].tracked
    opened = after.parts["binance"].opened
    assert_allclose(held, opened, rtol=1e-9, atol=1e-9)
    assert (before.parts["binance"].tracked > before.parts["binance"].opened).any(axis=1).all()


def test_an_unknown_last_open_interest_survives_the_disk(store, heatmaps, tmp_path):
    add_market(store, "gate", seed=6, open_interest_until=400)
    first = heatmaps.view(request(exchanges=("gate",)))
    again = StoredHeatmaps(store, Settings(cache_dir=tmp_path / "cache"))
    view = again.view(request(exchanges=("gate",)))
    (kept,) = again._stored(request(exchanges=("gate",)))
    again.close()
    assert kept.book.last.known is False
    assert view.gaps == first.gaps


def test_liquidations_since_the_last_bar_come_along_where_the_map_ends_with_the_data(
    store, heatmaps
):
    since = times(1, offset=600) + np.timedelta64(4, "m")
    new = {"time": since, "side": -1, "quantity": 1.0, "price": 50_000.0}
    store.add_liquidations({"exchange": "binance", "symbol": "BTCUSDT"} | new)
    latest = {"exchanges": ("binance",), "start": START + 500 * STEP}
    view = heatmaps.view(request(stop=START + 600 * STEP, **latest))
    assert_array_equal(view.liquidations.time, since)
    newest = new | {"time": since + np.timedelta64(5, "s")}
    store.add_liquidations({"exchange": "binance", "symbol": "BTCUSDT"} | newest)
    view = heatmaps.view(request(stop=START + 600 * STEP, **latest))
    assert_array_equal(view.liquidations.time, [since[0], newest["time"][0]])
    assert heatmaps.view(request(stop=START + 599 * STEP, **latest)).liquidations.time.size == 0


def test_realised_liquidations_of_the_window_come_along(heatmaps):
    view = heatmaps.view(request(exchanges=("binance",)))
    assert view.liquidations.side.tolist() == [1, -1, 1, 1, -1]
    assert_array_equal(view.liquidations.time, times(5, offset=300))
    assert heatmaps.view(request(stop=START + 200 * STEP)).liquidations.time.size == 0


def test_the_largest_realised_liquidations_of_the_window_are_shown(store, heatmaps):
    def add(exchange, at, quantity):
        rows = {"time": at, "side": 1, "quantity": quantity, "price": 100.0}
        store.add_liquidations({"exchange": exchange, "symbol": "BTCUSDT"} | rows)

    second = np.timedelta64(1, "s")
    small, large = np.arange(1500.0) + 1e6, np.arange(700.0) + 1e7
    add("binance", times(1, offset=110) + np.arange(1500) * second, small)
    add("bybit", times(1, offset=120) + np.arange(700) * second, large)
    add("binance", times(1, offset=99) + np.arange(300) * second, np.full(300, 1e8))
    add("bybit", times(1, offset=500) + np.arange(300) * second, np.full(300, 1e8))
    shown = heatmaps.view(request()).liquidations
    assert (shown.exchange == "bybit").sum() == 700
    wanted = np.concatenate((small[700:], large)) * 100.0
    assert_array_equal(np.sort(shown.notional), wanted)
    assert (np.diff(shown.time) >= np.timedelta64(0)).all()


def test_a_liquidation_draws_no_levels_anew(store, heatmaps, monkeypatch):
    drawn, rasterise = [], app.views.rasterise
    monkeypatch.setattr(
        app.views, "rasterise", lambda *a, **kw: drawn.append(1) or rasterise(*a, **kw)
    )
    before = heatmaps.view(request())
    count = len(drawn)
    new = {"time": times(1, offset=320), "side": 1, "quantity": 1.0, "price": 50_000.0}
    store.add_liquidations({"exchange": "binance", "symbol": "BTCUSDT"} | new)
    after = heatmaps.view(request())
    assert after.liquidations.time.size == before.liquidations.time.size + 1
    assert after.key_figures == before.key_figures
    assert len(drawn) == count > 0
    sample = {"time": times(1, offset=490) + np.timedelta64(1, "s"), "open_interest": 5000.0}
    store.add_open_interest({"exchange": "binance", "symbol": "BTCUSDT"} | sample)
    assert heatmaps.view(request()).key_figures != before.key_figures


def test_key_figures_are_of_the_windows_end(heatmaps):
    view = heatmaps.view(request(exchanges=("binance",)))
    assert view.key_figures.last_price == view.candles.close[-1]
    assert 0.7 < view.key_figures.coverage <= 1.0 + 1e-9
    assert view.key_figures.above.price > view.key_figures.last_price


def test_assumptions_change_the_map(heatmaps):
    turned = heatmaps.view(request())
    net = heatmaps.view(request(model="time-evolving"))
    assert net.key_figures.coverage < turned.key_figures.coverage
    only = heatmaps.view(request(profile="10:1", side_rule="candle"))
    assert only.heatmap.active.sum() != turned.heatmap.active.sum()


def test_new_rows_change_the_view_and_its_watermark(store, heatmaps):
    before = heatmaps.view(request())
    store.add_open_interest(
        {
            "exchange": "binance",
            "symbol": "BTCUSDT",
            "time": times(1, offset=450) + np.timedelta64(1, "s"),
            "open_interest": np.array([5000.0]),
        }
    )
    after = heatmaps.view(request())
    assert after.watermark != before.watermark
    assert after.heatmap.open_interest.max() > before.heatmap.open_interest.max()


def test_an_exchange_that_can_not_be_mapped_yet_leaves_the_others_their_map(store, heatmaps):
    add_market(store, "gate", seed=7, open_interest=False)
    latest = {"time": times(1, offset=602), "open_interest": 5.0}
    store.add_open_interest({"exchange": "gate", "symbol": "BTCUSDT"} | latest)
    assert set(heatmaps.view(request(exchanges=())).parts) == {"binance", "bybit"}
    with pytest.raises(NoData, match="No open interest is stored for BTCUSDT on gate"):
        heatmaps.view(request(exchanges=("gate",)))


def test_rows_that_arrive_while_a_book_is_looked_up_are_in_the_next_map(
    store, heatmaps, monkeypatch
):
    watermark, end = store.map_watermark, START + 600 * STEP

    def growing(exchanges=(), symbol=None):
        if exchanges == ("gate",) and len(store.bars("gate", "BTCUSDT", START, end).close) == 300:
            shorter(store, "gate", 300, 600)
        return watermark(exchanges, symbol)

    shorter(store, "gate", 0, 300)
    monkeypatch.setattr(store, "map_watermark", growing)
    # The map of all asks for the watermark of one only where it looks up that one's book.
    heatmaps.maps(request(exchanges=(), start=START, stop=end))
    grown = heatmaps.maps(request(exchanges=(), start=START, stop=end))
    assert grown.parts["gate"].open_interest[-1] > 0.0


def test_lists_of_older_states_are_not_kept(store, heatmaps):
    before = living(MarketCoverage)
    for place in range(5):
        heatmaps.markets()
        store.add_open_interest(
            {
                "exchange": "okx",
                "symbol": "BTCUSDT",
                "time": times(1, offset=place),
                "open_interest": np.array([5000.0]),
            }
        )
    kept = heatmaps.markets()
    assert living(MarketCoverage) - before <= len(kept)


def living(kind):
    """Return how many objects of a class there are."""
    gc.collect()
    return sum(type(each) is kind for each in gc.get_objects())


def test_a_book_from_the_disk_equals_a_computed_one(store, heatmaps, tmp_path):
    first = heatmaps.view(request())
    again = StoredHeatmaps(store, Settings(cache_dir=tmp_path / "cache"))
    view = again.view(request())
    again.close()
    assert_array_equal(view.heatmap.active, first.heatmap.active)
    assert view.gaps == first.gaps
    assert view.crossing_price == "last"


def test_damaged_entries_on_disk_are_computed_anew(store, heatmaps, tmp_path, caplog):
    first = heatmaps.view(request())
    for path in (tmp_path / "cache").rglob("*.val"):
        path.write_bytes(path.read_bytes()[:1000])
    again = StoredHeatmaps(store, Settings(cache_dir=tmp_path / "cache"))
    view = again.view(request())
    again.close()
    assert_array_equal(view.heatmap.active, first.heatmap.active)
    assert "damaged" in caplog.text


def test_lists_say_what_is_stored(heatmaps):
    assert heatmaps.symbols() == ["BTCUSDT"]
    assert heatmaps.exchanges("BTCUSDT") == ["binance", "bybit", "okx"]
    assert heatmaps.extent("BTCUSDT") == (START, START + 600 * STEP)


def test_exchanges_without_open_interest_are_left_out_of_all(heatmaps):
    assert heatmaps.view(request(exchanges=())).exchanges == ("binance", "bybit")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"symbol": "DOGEUSDT"}, "Nothing is stored for DOGEUSDT yet. Load candles"),
        ({"exchanges": ("kraken",)}, "on kraken; stored are binance, bybit, okx"),
        ({"exchanges": ("okx",)}, "No open interest is stored for BTCUSDT on okx"),
        (
            {"start": START - timedelta(days=9), "stop": START - timedelta(days=8)},
            "there are data from 2026-01-01 00:00 to 2026-01-03 02:00",
        ),
    ],
)
def test_nothing_stored_says_what_to_do(heatmaps, changes, message):
    with pytest.raises(NoData, match=message):
        heatmaps.view(request(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "magic"}, "model must be one of"),
        ({"profile": "10:x"}, "a leverage profile is one of"),
        ({"profile": "125:1"}, "nothing at or below the exchange's 100x"),
        (
            {"step": timedelta(minutes=7)},
            "multiple of the stored bars' 5 minutes, but is 7 minutes",
        ),
    ],
)
def test_requests_that_cannot_be_say_why(heatmaps, changes, message):
    with pytest.raises(ValueError, match=message):
        heatmaps.view(request(**changes))


@pytest.mark.parametrize(
    "changes",
    [{"stop": START}, {"price_low": 1.0}, {"price_low": 2.0, "price_high": 1.0}, {"columns": 0}],
)
def test_requests_out_of_order_are_refused(changes):
    with pytest.raises(ValidationError):
        request(**changes)


def test_stored_tiers_go_before_shipped_ones(store, heatmaps):
    shipped = heatmaps.view(request(exchanges=("binance",), profile="5:1,100:1"))
    store.add_leverage_tiers(
        {
            "exchange": "binance",
            "symbol": "BTCUSDT",
            "valid_from": np.array(["2020-01-01"], "datetime64[us]"),
            "floor": np.array([0.0]),
            "cap": np.array([1e12]),
            "max_leverage": np.array([20.0]),
            "maintenance_rate": np.array([0.02]),
        }
    )
    strict = heatmaps.view(request(exchanges=("binance",), profile="5:1,100:1"))
    # All at 5x now, and liquidated earlier: nothing within 10 % of the price.
    assert shipped.key_figures.at_risk[0.05][0] > 0.0
    assert strict.key_figures.at_risk[0.05] == (0.0, 0.0)


def test_maps_are_those_of_the_view_on_the_grid_that_is_named(heatmaps):
    view, maps, grid = (ask(request()) for ask in (heatmaps.view, heatmaps.maps, heatmaps.grid))
    assert_array_equal(grid.times, view.heatmap.times)
    assert_array_equal(grid.edges, view.heatmap.edges)
    assert_array_equal(maps.whole.active, view.heatmap.active)
    assert maps.watermark == view.watermark


def test_buckets_of_a_chosen_width_hold_what_finer_ones_hold(heatmaps):
    span = {"price_low": 40_000.0, "price_high": 60_000.0}
    fine = heatmaps.maps(request(**span, bucket_width=100.0)).whole
    coarse = heatmaps.maps(request(**span, bucket_width=500.0)).whole
    assert_array_equal(coarse.edges, np.arange(40_000.0, 60_001.0, 500.0))
    assert_allclose(coarse.active, fine.active.reshape(2, 40, 5, -1).sum(axis=2), rtol=1e-9)


def test_the_fitted_preset_assumes_what_was_fitted_to_the_market(store, heatmaps):
    state = PageState(symbol="BTCUSDT", preset="fitted")
    with pytest.raises(NoData, match='"liqheat fit --symbol BTCUSDT"'):
        heatmap_request(heatmaps, state)
    fitted = {"model": "two-speed", "profile": "turning:100", "slow_of_turnover": 0.01}
    other = {"model": "two-speed", "profile": "turning:75"}
    keep(
        store,
        FittedPreset("binance", "BTCUSDT", "Fitted (2026-01-01, n 300)", fitted, {}, NOW),
    )
    assert heatmap_request(heatmaps, state).changes() == fitted
    assert isinstance(draw(heatmaps, state), Picture)
    keep(store, FittedPreset("bybit", "BTCUSDT", "Fitted (2026-01-02, n 300)", other, {}, LATER))
    for exchange, expected in (("binance", fitted), ("bybit", other)):
        shown = state.model_copy(update={"exchanges": (exchange,)})
        assert heatmap_request(heatmaps, shown).changes() == expected


def test_the_fitted_preset_is_offered_where_there_is_a_fit(store, heatmaps):
    assert "fitted" not in offered_presets(heatmaps, "BTCUSDT", ["all"], "default")
    # A link may have chosen it; the picture says what is missing.
    assert "fitted" in offered_presets(heatmaps, "BTCUSDT", ["all"], "fitted")
    keep(store, FittedPreset("bybit", "BTCUSDT", "Fitted (2026-01-02)", {}, {}, NOW))
    assert offered_presets(heatmaps, "BTCUSDT", ["all"], "default")["fitted"] == "Fitted"
    assert "fitted" in offered_presets(heatmaps, "BTCUSDT", ["bybit"], "default")
    assert "fitted" not in offered_presets(heatmaps, "BTCUSDT", ["binance"], "default")
    assert "fitted" not in offered_presets(heatmaps, "ETHUSDT", [], "default")
