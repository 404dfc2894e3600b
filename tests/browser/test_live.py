"""The page follows new data, as long as its reader wants it to."""

from itertools import pairwise
from threading import Event
from types import SimpleNamespace

import pytest

from components import heatmap_page

from .fake_heatmaps import FakeHeatmaps, NothingStored
from .fake_live import BAR, FakeChanges, FakeStates, MovingHeatmaps, WithPositions

BAR_MS = BAR.total_seconds() * 1000
ALL_CONNECTED = {"binance": "connected", "bybit": "connected", "okx": "connected"}


@pytest.fixture
def market():
    heatmaps = MovingHeatmaps()
    return SimpleNamespace(heatmaps=heatmaps, changes=FakeChanges(heatmaps))


@pytest.fixture
def live(serve, new_page, market):
    """Return a page of a server that collects, whose data a test moves on."""
    server = serve(market.heatmaps, routers=[market.changes.router], collecting=True)
    return new_page(server)


def data_end(page):
    return page.run("return window.lastDrawn && window.lastDrawn.dataEnd")


def sign(page):
    return page.text("#live-sign")


def open_and_follow(page, market, search=""):
    """Open a page and wait until it has caught up with what it was told first."""
    page.open(search)
    page.wait(lambda: market.changes.open)
    page.wait(lambda: page.run("return window.lastDrawn.pulse") == 1)
    return page


WATCH = """
window.asked = [];
const put = dash_clientside.set_props;
dash_clientside.set_props = (id, props) => {
  if (id === "pulse") window.asked.push(performance.now());
  put(id, props);
};
"""


def asked(page):
    """Return when the page asked for a picture by itself, since it was watched. [ms]"""
    return page.run("return window.asked")


def let_it_ask(page):
    """Wait until the page may ask again, and what it wants to ask is asked."""
    page.wait(
        lambda: page.run(
            "return performance.now() - (window.asked.at(-1) ?? window.watched) > 1100"
        )
    )


def watch(page):
    """Note from now on when the page asks for a picture by itself."""
    page.run(f"{WATCH} window.watched = performance.now()")
    let_it_ask(page)


def test_new_data_move_the_picture(live, market):
    open_and_follow(live, market, "?window=24h")
    heat, end, turn = live.heat, data_end(live), live.run("return window.lastDrawn.turn")
    strip, title, small = live.text("#key-figures"), live.driver.title, live.text("#provenance")
    live.run("""
        window.sawWaiting = false;
        new MutationObserver(() => {
          window.sawWaiting ||= document.getElementById("frame").classList.contains("is-waiting");
        }).observe(document.getElementById("frame"), { attributes: true });
    """)
    market.changes.move(8 * BAR)
    live.wait(lambda: data_end(live) == end + 8 * BAR_MS)
    live.wait(lambda: live.heat["stop"] == heat["stop"] + 8 * BAR_MS)
    assert live.heat["start"] == heat["start"] + 8 * BAR_MS
    assert live.ranges[0] == [live.heat["start"], live.heat["stop"]]
    assert live.text("#key-figures") != strip
    assert live.driver.title != title
    assert live.text("#provenance") != small
    # It is the same question, answered anew, without the sign of waiting.
    assert live.run("return window.lastDrawn.turn") == turn
    assert live.run("return window.sawWaiting") is False
    assert live.errors() == []


def test_a_zoom_stays_where_it_is_and_layers_too(live, market):
    open_and_follow(live, market, "?window=3d&layers=active,candles")
    with live.redrawn():
        live.wheel(0.5, 0.5, 4)
    zoomed, search, traces = live.ranges, live.search, live.traces
    end = data_end(live)
    market.changes.move()
    live.wait(lambda: data_end(live) == end + BAR_MS)
    assert live.ranges == zoomed
    assert live.search == search
    assert live.traces == traces
    with live.redrawn():
        live.point(0.5, 0.5).double_click().perform()
    live.wait(lambda: live.ranges[0][1] == data_end(live))
    market.changes.move()
    live.wait(lambda: live.ranges[0][1] == end + 2 * BAR_MS)


def test_the_cursor_stays_under_the_pointer_and_is_read_anew(live, market):
    open_and_follow(live, market, "?window=24h")
    live.point(0.5, 0.9).perform()
    live.wait(lambda: "At risk" in live.text("#reading"))
    times = live.text(".reading-time")
    end = data_end(live)
    market.changes.move(4 * BAR)
    live.wait(lambda: data_end(live) == end + 4 * BAR_MS)
    live.wait(lambda: live.text(".reading-time") != times)
    assert live.find("#reading-card").is_displayed()
    live.wait(lambda: not live.driver.find_elements("css selector", "#reading-card.is-stale"))


def test_a_pinned_reading_stays_at_its_time_and_price(live, market):
    open_and_follow(live, market, "?start=2026-02-07T00:00&stop=2026-02-09T00:00")
    live.point(0.25, 0.8).click().perform()
    live.wait(lambda: "At risk" in live.text("#reading"))
    head, end = live.text(".reading-head"), data_end(live)
    for moves in (1, 2):
        market.changes.move()
        live.wait(lambda n=moves: data_end(live) == end + n * BAR_MS)
    live.wait(lambda: not live.driver.find_elements("css selector", "#reading-card.is-stale"))
    assert "is-pinned" in live.find("#frame").get_attribute("class")
    assert live.text(".reading-head").split()[0] == head.split()[0]


def test_what_comes_while_a_picture_is_drawn_is_drawn_once_after_it(live, market):
    open_and_follow(live, market, "?window=24h")
    watch(live)
    end, drawn = data_end(live), market.heatmaps.drawn
    market.heatmaps.gate = Event()
    try:
        market.changes.move()
        live.wait(lambda: market.heatmaps.drawn == drawn + 1)
        for _ in range(5):
            market.changes.move()
        let_it_ask(live)
        assert len(asked(live)) == 1
    finally:
        market.heatmaps.gate.set()
    live.wait(lambda: data_end(live) == end + 6 * BAR_MS)
    assert len(asked(live)) == 2


def test_a_choice_of_the_readers_goes_before_what_was_asked_for_by_itself(live, market):
    open_and_follow(live, market, "?window=24h")
    drawn = market.heatmaps.drawn
    market.heatmaps.gate = Event()
    try:
        market.changes.move()
        live.wait(lambda: market.heatmaps.drawn == drawn + 1)
        with live.redrawn():
            live.tick("window", "3d")
            live.wait(lambda: market.heatmaps.drawn == drawn + 2)
            market.heatmaps.gate.set()
    finally:
        market.heatmaps.gate.set()
    assert live.request["start"] == "2026-02-05T00:15:00Z"
    # The held answer of 24 h, late as it may be, does not take the place of the 3 days.
    market.changes.move()
    live.wait(lambda: live.request["start"] == "2026-02-05T00:30:00Z")


def test_many_changes_are_one_picture_a_second_at_most(live, market):
    open_and_follow(live, market, "?window=24h")
    watch(live)
    end = data_end(live)
    for moves in range(60):
        market.changes.move()
        if moves % 20 == 19:
            live.wait(lambda n=moves: data_end(live) >= end + (n - 10) * BAR_MS)
    live.wait(lambda: data_end(live) == end + 60 * BAR_MS)
    assert len(asked(live)) >= 2
    assert min(later - earlier for earlier, later in pairwise(asked(live))) >= 990


def test_a_drag_is_not_disturbed(live, market):
    open_and_follow(live, market, "?window=3d")
    watch(live)
    before = live.ranges
    live.point(0.5, 0.5).click_and_hold().move_by_offset(40, 0).perform()
    market.changes.move()
    live.wait(lambda: sign(live).endswith("UTC"))
    let_it_ask(live)
    assert asked(live) == []
    with live.redrawn():
        live.point(0.5, 0.5).move_by_offset(120, 0).release().perform()
    (left, right), _ = live.ranges
    assert left < before[0][0]
    assert right - left == pytest.approx(before[0][1] - before[0][0], rel=1e-6)
    assert "zoom=" in live.search


def test_an_answer_that_comes_during_a_drag_waits_for_its_end(live, market):
    open_and_follow(live, market, "?window=24h")
    end, drawn = data_end(live), market.heatmaps.drawn
    market.heatmaps.gate = Event()
    try:
        market.changes.move()
        live.wait(lambda: market.heatmaps.drawn == drawn + 1)
        live.run("document.dispatchEvent(new PointerEvent('pointerdown'))")
        live.run("""
            const put = dash_clientside.set_props;
            dash_clientside.set_props = (id, props) => {
              if (id === "heatmap") window.put = true;
              put(id, props);
            };
            const { fresh } = dash_clientside.live;
            dash_clientside.live.fresh = (answer) => { fresh(answer); window.answered = true; };
        """)
    finally:
        market.heatmaps.gate.set()
    live.wait(lambda: live.run("return window.answered"))
    assert live.run("return window.put") is None
    assert data_end(live) == end
    live.run("document.dispatchEvent(new PointerEvent('pointerup'))")
    live.wait(lambda: data_end(live) == end + BAR_MS)


def test_a_tab_that_is_not_seen_catches_up_once_when_it_is(live, market):
    open_and_follow(live, market, "?window=24h")
    watch(live)
    end = data_end(live)
    live.run("Object.defineProperty(document, 'hidden', {configurable: true, get: () => true})")
    for _ in range(3):
        market.changes.move()
    live.wait(lambda: sign(live).endswith("UTC"))
    let_it_ask(live)
    assert asked(live) == []
    live.run("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    live.wait(lambda: data_end(live) == end + 3 * BAR_MS)
    assert len(asked(live)) == 1


def test_a_range_that_is_over_stands_still(live, market):
    live.open("?start=2026-02-01T00:00&stop=2026-02-03T00:00")
    live.wait(lambda: market.changes.open)
    live.wait(lambda: sign(live) == "paused")
    drawn = market.heatmaps.drawn
    market.changes.move()
    with live.redrawn():
        live.tick("window", "24h")
    assert market.heatmaps.drawn == drawn + 1
    end = data_end(live)
    market.changes.move()
    live.wait(lambda: data_end(live) == end + BAR_MS)
    assert sign(live).startswith("live · ")


def test_the_live_switch_stops_the_picture_and_is_in_the_address(live, market):
    open_and_follow(live, market, "?window=24h")
    assert live.find("#live-control").is_displayed()
    end = data_end(live)
    live.tick("live", "live")
    live.wait(lambda: "live=off" in live.search)
    live.wait(lambda: sign(live) == "paused")
    live.wait(lambda: not market.changes.open)
    drawn = market.heatmaps.drawn
    market.changes.move()
    live.press("v")
    live.wait(lambda: data_end(live) == end + BAR_MS)
    assert market.heatmaps.drawn == drawn + 1
    live.wait(lambda: "live=off" not in live.search)
    live.press("v")
    live.wait(lambda: sign(live) == "paused")


def test_a_link_may_say_that_the_picture_stands_still(live, market):
    live.open("?window=24h&live=off")
    assert live.chosen("live") == []
    assert sign(live) == "paused"
    assert market.changes.connects == 0
    live.wait(lambda: live.search == "?symbol=BTCUSDT&window=24h&live=off")


def test_a_lost_connection_is_said_and_made_again(live, market):
    open_and_follow(live, market, "?window=24h")
    end = data_end(live)
    market.changes.refuses = True
    market.changes.drop()
    live.wait(lambda: sign(live) == "reconnecting")
    market.changes.move()
    market.changes.refuses = False
    live.wait(lambda: data_end(live) == end + BAR_MS)
    live.wait(lambda: sign(live).startswith("live"))
    assert market.changes.connects == 2


def test_another_symbol_is_listened_to(live, market):
    open_and_follow(live, market, "?window=24h")
    with live.redrawn():
        live.select("symbol", "ETHUSDT")
    live.wait(lambda: [s.query_params["symbol"] for s in market.changes.open] == ["ETHUSDT"])
    end = data_end(live)
    market.changes.move()
    live.wait(lambda: data_end(live) == end + BAR_MS)
    assert live.request["symbol"] == "ETHUSDT"


def test_where_the_server_does_not_collect_nothing_is_live(serve, new_page):
    states = FakeStates(dict.fromkeys(ALL_CONNECTED, "off"))
    page = new_page(serve(FakeHeatmaps(), states=states)).open("?window=24h")
    assert not page.find("#live-control").is_displayed()
    assert page.driver.find_elements("css selector", ".connection") == []
    page.press("v")
    assert "live" not in page.search
    assert page.errors() == []


def test_badges_turn_as_connections_do(serve, new_page, monkeypatch):
    monkeypatch.setattr(heatmap_page, "STATES_EVERY", 200)
    market = MovingHeatmaps()
    states = FakeStates({"bybit": "connected", "binance": "degraded", "okx": "connected"})
    changes = FakeChanges(market)
    page = new_page(serve(market, routers=[changes.router], states=states, collecting=True))
    page.open("?exchanges=okx")
    badge = '#exchanges input[value="okx"] + label .connection'
    page.wait(lambda: page.driver.find_elements("css selector", f"{badge}.is-connected"))
    page.wait(lambda: "degraded" in page.text('#exchanges input[value="binance"] + label'))
    page.run("document.querySelector('#exchanges input[value=okx]').focus()")
    states.states["okx"] = "down"
    page.wait(lambda: page.driver.find_elements("css selector", f"{badge}.is-down"))
    page.wait(lambda: "down" in page.text('#exchanges input[value="okx"] + label'))
    # At once: the badge is another one at the next look.
    title = page.run("return document.querySelector(arguments[0]).title", badge)
    assert "Last liquidation: 2026-02-08 12:03:05 UTC" in title
    assert "Lag: 0.12 s" in title
    assert "Last error: timed out" in title
    # Choices, and the place of the keyboard, are left alone.
    assert page.chosen("exchanges") == ["okx"]
    assert page.run("return document.activeElement.value") == "okx"
    assert page.errors() == []


def test_an_empty_database_that_is_being_filled_shows_its_first_map(serve, new_page, monkeypatch):
    monkeypatch.setattr(heatmap_page, "STATES_EVERY", 200)
    market = FilledLater()
    page = new_page(serve(market, routers=[FakeChanges(market).router], collecting=True)).open()
    assert "Live data are being collected" in page.text("#message")
    assert page.find("#message a").get_attribute("href").endswith("/data")
    with page.redrawn():
        market.symbols = FakeHeatmaps.symbols.__get__(market)
    page.wait(lambda: page.find("#heatmap").is_displayed())
    assert page.request["symbol"] == "BTCUSDT"


class FilledLater(MovingHeatmaps):
    """Has nothing at first."""

    def symbols(self):
        return NothingStored.symbols(self)


def test_observed_positions_are_a_layer_where_there_are_any(serve, new_page, page):
    page.open("?window=3d")
    chip = '#layers input[value="positions"] + label'
    assert not page.find(chip).is_displayed()
    seen = new_page(serve(WithPositions())).open("?window=3d")
    assert "observed longs" in seen.traces
    assert "observed shorts" in seen.traces
    with seen.redrawn():
        seen.tick("layers", "positions")
    assert "observed longs" not in seen.traces
    assert "positions" not in seen.search.split("layers=")[1]
    assert seen.errors() == []


LOST = "The server no longer tells of new data; the picture may be old. Trying again…"


def test_who_no_longer_follows_is_not_told_any_more_that_the_connection_is_lost(live, market):
    open_and_follow(live, market, "?window=24h")
    live.run(f"dash_clientside.set_props('notice', {{children: {LOST!r}}})")
    live.wait(lambda: "no longer tells of new data" in live.text("#notice"))
    live.tick("live", "live")
    live.wait(lambda: sign(live) == "paused")
    live.wait(lambda: not live.find("#notice-bar").is_displayed())


def test_a_connection_that_stays_lost_is_said_and_the_picture_stays(live, market):
    open_and_follow(live, market, "?window=24h")
    market.changes.refuses = True
    market.changes.drop()
    live.wait(lambda: "no longer tells of new data" in live.text("#notice"), timeout=180)
    assert live.find("#heatmap").is_displayed()
    assert live.heat["top"] == 255
    market.changes.refuses = False
    live.wait(lambda: not live.find("#notice-bar").is_displayed(), timeout=180)
    assert sign(live).startswith("live")
