"""What a reader can do on the Data page, and see there."""

import threading
from dataclasses import replace
from itertools import pairwise

import pytest
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.support.ui import Select

from tests import fake_archive, fake_rest

from .data_page import DataPage, FakeSocket, fill, installation, liquidation
from .test_address import NAMELESS


@pytest.fixture(scope="module")
def rest():
    with fake_rest.serving() as served:
        yield served


@pytest.fixture(scope="module")
def filled(tmp_path_factory, rest):
    with installation(tmp_path_factory.mktemp("filled"), rest) as installed:
        fill(installed.store)
        yield installed


@pytest.fixture(scope="module")
def server(serve, filled):
    return serve(filled.heatmaps, **filled.options())


@pytest.fixture
def page(browser, server):
    yield DataPage(browser, server)
    browser.driver.get("about:blank")  # where nothing is asked for


@pytest.fixture
def made(tmp_path, rest):
    """Return an installation of this test's own."""
    with installation(tmp_path, rest) as installed:
        yield installed


@pytest.fixture
def new_page(made, browser, serve):
    yield lambda installed, **changes: DataPage(
        browser, serve(installed.heatmaps, **installed.options(**changes))
    )
    browser.driver.get("about:blank")


# --- the pages ----------------------------------------------------------------------------------


def test_links_lead_from_page_to_page_and_keep_the_theme(page):
    page.open("?theme=light")
    assert page.find("#to-data").get_attribute("aria-current") == "page"
    page.click("#to-heatmap")
    page.wait(lambda: page.find("#heatmap"))
    page.wait(lambda: page.run("return document.documentElement.dataset.bsTheme") == "light")
    page.wait(lambda: "theme=light" in page.find("#to-data").get_attribute("href"))
    page.click("#to-data")
    page.wait(lambda: page.rows)
    assert page.run("return location.pathname + location.search") == "/data?theme=light"
    assert page.run("return document.documentElement.dataset.bsTheme") == "light"


def test_the_theme_is_toggled_for_all_and_written_into_the_address(page):
    page.open()
    colour = "return getComputedStyle(document.querySelector('#coverage .ag-row')).backgroundColor"
    looks = "return getComputedStyle(document.querySelector('.ag-root-wrapper')).backgroundColor"
    before = page.run(looks), page.run(colour)
    page.click("#theme-toggle")
    page.wait(lambda: page.run("return location.search") == "?theme=light")
    page.wait(lambda: page.run(looks) != before[0])
    page.click("#theme-toggle")
    page.wait(lambda: page.run("return location.search") == "")
    page.wait(lambda: (page.run(looks), page.run(colour)) == before)


def test_keys_of_the_heatmap_do_nothing_here_and_help_is_this_page_s(page):
    page.open()
    page.press("m", "l", "h", "p", "s", "3", Keys.ARROW_LEFT, "?")
    page.wait(lambda: "Stored data: what is in the database" in page.text("#help-dialog"))
    assert page.errors() == []


def test_an_address_without_a_page_says_so_with_links(page):
    page.driver.get(f"{page.server}/nowhere")
    page.wait(lambda: "There is no such page" in page.text("main"))
    page.click("#to-data")
    page.wait(lambda: page.rows)


def test_the_page_asks_nobody_else_and_the_browser_has_no_complaint(page):
    page.open()
    page.wait(lambda: page.status == "Live")
    asked = page.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert len(asked) > 10
    assert [name for name in asked if not name.startswith((page.server, "data:"))] == []
    assert page.errors() == []


def test_the_heatmap_page_does_not_load_the_table(page):
    page.driver.get(f"{page.server}/")
    page.wait(lambda: page.find("#heatmap"))
    asked = page.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert not [name for name in asked if "ag_grid" in name]


@pytest.mark.parametrize("width", [390, 768])
def test_a_small_screen_shows_all_without_scrolling_sideways(page, width):
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": True},
    )
    page.open()
    assert page.run("return document.documentElement.scrollWidth") == width
    assert page.run(
        "const frame = document.getElementById('recent-frame');"
        "return frame.scrollWidth <= frame.clientWidth"
    )
    for selector in ("#exchange-cards", "#coverage", "#recent-rows", "#backfill-form", "#jobs"):
        assert page.find(selector).rect["width"] > width / 3


def test_a_laptop_shows_all_columns_of_the_table(page):
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 1400, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    page.open()
    page.wait(lambda: page.rows)
    assert page.run(
        "const seen = document.querySelector('#coverage .ag-center-cols-viewport');"
        "return seen.scrollWidth <= seen.clientWidth"
    )


def test_every_control_has_a_name_and_can_be_reached_by_keys(page):
    page.open()
    # The table's guards only pass the focus on.
    page.wait(lambda: not [each for each in page.run(NAMELESS) if "ag-tab-guard" not in each])
    page.run("document.activeElement.blur(); window.scrollTo(0, 0)")
    reached, in_table = set(), 0
    for _ in range(80):
        page.tab()
        name = page.run("return document.activeElement.closest('[id]')?.id")
        if name == "react-entry-point":
            break
        in_table += page.run("return !!document.activeElement.closest('#coverage')")
        reached.add(name)
    assert 1 <= in_table <= 3  # the way on does not lead through every cell
    assert {
        "to-heatmap",
        "theme-toggle",
        "coverage-refresh",
        "recent-exchange",
        "recent-symbol",
        "recent-frame",
        "fetch-symbol",
        "fetch-start",
        "backfill-exchange",
        "backfill-days",
    } <= reached


# --- exchanges ----------------------------------------------------------------------------------


def test_each_exchange_tells_its_state_in_a_word_and_follows_it(page, filled):
    page.open()
    cards = page.run(
        "return [...document.querySelectorAll('.exchange-card')]"
        ".map((card) => [card.querySelector('h3').innerText.split('\\n').join(' ')])"
    )
    assert [" ".join(card) for card in cards] == [
        "Binance connected",
        "Bybit connected",
        "OKX degraded",
        "Hyperliquid down",
    ]
    assert page.find("[data-exchange=hyperliquid] .card-error").get_attribute("title") == (
        "timed out"
    )
    filled.states.states["bybit"] = "down"
    try:
        page.ask_again()
        page.wait(lambda: "down" in page.text("[data-exchange=bybit]"))
    finally:
        filled.states.states["bybit"] = "connected"


HIDDEN = """
Object.defineProperty(document, "hidden", {value: arguments[0], configurable: true});
document.dispatchEvent(new Event("visibilitychange"));
"""
ASKED = """
return performance.getEntriesByType("resource")
  .filter((entry) => entry.name.includes("/data/_dash-update-component")).length;
"""


def test_a_tab_that_nobody_looks_at_asks_nothing(page):
    page.open()
    page.run("dash_clientside.set_props('data-tick', {interval: 50})")
    before = page.run(ASKED)
    page.wait(lambda: page.run(ASKED) > before + 3)
    page.run(HIDDEN, True)
    settled = [0]

    def asks_no_more():
        count = page.run(ASKED)
        asks, settled[0] = count != settled[0], count
        return not asks

    page.wait(asks_no_more)
    page.wait(asks_no_more)
    page.run(HIDDEN, False)
    page.wait(lambda: page.run(ASKED) > settled[0] + 3)


# --- what is stored -----------------------------------------------------------------------------


def test_the_table_tells_what_is_stored_and_the_gaps_of_a_row(page):
    page.open()
    rows = {(row["exchange"], row["symbol"], row["kind"]): row for row in page.rows}
    assert set(rows) >= {
        ("Binance", "BTCUSDT", "candles"),
        ("OKX", "BTCUSDT", "candles"),
        ("OKX", "ETHUSDT", "liquidations"),
    }
    row = rows["OKX", "BTCUSDT", "candles"]
    assert (row["interval"], row["rows"], row["gaps"], row["missing"]) == ("5m", "276", "1", "1 h")
    assert (row["first"], row["last"]) == ("2026-03-01 00:00", "2026-03-02 00:00")
    page.run(
        "[...document.querySelectorAll('#coverage .ag-row')].find((row) =>"
        " /OKX.*candles/.test(row.textContent)).querySelector('.ag-cell').click()"
    )
    page.wait(lambda: "1 gap, 1 h missing (UTC)" in page.text("#coverage-gaps"))
    assert "2026-03-01 08:20 – 09:20" in page.text("#coverage-gaps")


def test_the_table_is_sorted_and_filtered(page):
    page.open()
    header = "#coverage .ag-header-cell[col-id={}] "
    page.click(header.format("rows") + ".ag-header-cell-text")
    page.wait(
        lambda: page.run("return document.querySelector('[col-id=rows][aria-sort=ascending]')")
    )
    counts = [int(row["rows"].replace(",", "")) for row in page.rows]
    assert counts == sorted(counts)
    page.click(header.format("symbol") + ".ag-header-cell-filter-button")
    page.wait(lambda: page.find(".ag-filter input[type=text]").is_displayed())
    page.find(".ag-filter input[type=text]").send_keys("ETH")
    page.wait(lambda: {row["symbol"] for row in page.rows} == {"ETHUSDT"})


def test_an_empty_database_says_how_to_load_data(made, new_page):
    page = new_page(made, collecting=False)
    page.driver.get(f"{page.server}/data")
    page.wait(lambda: "Nothing is stored yet" in page.text("#coverage-empty"))
    assert "liqheat ingest PATH" in page.text("#coverage-empty")
    assert not page.find("#coverage-frame").is_displayed()
    page.wait(lambda: "No liquidations are stored yet" in page.text("#recent-frame"))
    assert page.status == "Not collecting"
    assert "--collect" in page.text("#exchange-cards")
    assert page.text("#jobs") == "No jobs yet."
    assert page.errors() == []


# --- jobs ---------------------------------------------------------------------------------------


def test_a_backfill_is_started_followed_and_seen_in_the_table(made, new_page):
    page = new_page(made)
    page.driver.get(f"{page.server}/data")
    page.wait(lambda: page.text("#jobs") == "No jobs yet.")
    Select(page.find("#backfill-exchange")).select_by_value("bybit")
    page.write("#backfill-days", "1")
    page.click("#backfill-form button")
    page.wait(lambda: "Job 1 was added" in page.text("#job-answer"))
    page.wait(lambda: page.find(".job").get_attribute("data-state") == "done")
    assert "Bybit · History: BTCUSDT, the last 1 day" in page.text(".job")
    page.wait(lambda: {row["exchange"] for row in page.rows} == {"Bybit"})
    assert not page.find("#coverage-empty").is_displayed()


def test_a_job_goes_on_without_the_page_and_is_cancelled_and_started_again(made, rest, new_page):
    came, go_on = threading.Event(), threading.Event()

    def answer(handler, _body):
        came.set()
        go_on.wait(180)
        fake_archive.hang_up(handler)

    rest["okx"].answer("open-interest-history", answer)
    page = new_page(made)
    page.driver.get(f"{page.server}/data")
    page.wait(lambda: page.text("#jobs") == "No jobs yet.")
    try:
        Select(page.find("#backfill-exchange")).select_by_value("okx")
        page.write("#backfill-days", "1")
        page.press(Keys.ENTER)
        page.wait(came.is_set)
        page.driver.get("about:blank")
        assert made.jobs.states()[0].state == "running"
        page.open()
        page.wait(lambda: page.find(".job").get_attribute("data-state") == "running")
        assert float(page.find("[role=progressbar]").get_attribute("aria-valuenow")) > 0
        page.click(".job [data-action=cancel]")
        page.wait(lambda: page.find(".job").get_attribute("data-state") == "cancelled")
    finally:
        go_on.set()
    page.click(".job [data-action=again]")
    page.wait(lambda: page.find("[data-job='2']").get_attribute("data-state") == "done")
    assert page.find("[data-job='1']").get_attribute("data-state") == "cancelled"


def test_what_can_not_be_loaded_is_said_and_what_an_exchange_does_not_keep_up_front(page):
    page.open()
    page.click("#fetch-form button")
    page.wait(lambda: page.text("#job-answer") == "Choose the first day.")
    assert "not for commercial use" in page.text("#fetch-form")
    page.write("#backfill-symbol", "BTC")
    page.click("#backfill-form button")
    page.wait(lambda: page.text("#job-answer") == "Symbol must be like BTCUSDT, but is 'BTC'.")
    page.write("#backfill-days", "200")
    page.wait(lambda: "open interest of the last 30 days" in page.text("#backfill-limits"))


def test_a_server_that_is_gone_is_said_until_it_answers(page):
    page.open()
    conditions = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.driver.execute_cdp_cmd("Network.enable", {})
    page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", conditions | {"offline": True})
    try:
        page.click("#backfill-form button")
        page.wait(lambda: "The server does not answer" in page.text("#notice"))
        assert page.run("return document.querySelectorAll('.jobs.is-stale').length") == 1
        assert page.find("#coverage").is_displayed()
    finally:
        page.driver.execute_cdp_cmd(
            "Network.emulateNetworkConditions", conditions | {"offline": False}
        )
        page.driver.execute_cdp_cmd("Network.disable", {})
    page.ask_again()
    page.wait(lambda: not page.find("#notice-bar").is_displayed())
    assert page.run("return document.querySelectorAll('.jobs.is-stale').length") == 0


def test_the_simulated_market_takes_no_jobs_and_says_so(tmp_path, new_page):
    with installation(tmp_path / "first") as installed:
        fill(installed.store)
        installed.store.mark_simulated()
        installed.jobs = type(installed.jobs)(installed.store, installed.settings)
        page = new_page(installed, collecting=False).open()
        assert "simulated market" in page.text("#jobs-refusal")
        assert "no live data" in page.text("#exchange-cards")
        assert page.status == "Simulated"
        assert not page.find("#backfill-form").is_displayed()


# --- liquidations -------------------------------------------------------------------------------


def test_the_newest_stored_liquidations_are_there_at_once(page):
    page.open()
    assert len(page.liquidations) == 50
    assert page.liquidations[0] == [
        "03-01 00:39:00.000",
        "Binance",
        "BTCUSDT",
        "short",
        "64,039.0",
        "$32.0k",
    ]


def test_a_liquidation_is_shown_as_it_comes(page, filled):
    page.open()
    page.wait(lambda: page.status == "Live")
    for number in range(5):
        filled.feed.publish_liquidations([liquidation(number)])
        page.wait(lambda price=f"65,00{number}.0": page.liquidations[0][4] == price)
    assert page.liquidations[0][1:] == ["Bybit", "BTCUSDT", "long", "65,004.0", "$130k"]
    assert len(page.liquidations) == 50


def test_the_list_is_filtered_by_exchange_and_symbol(page, filled):
    page.open()
    page.wait(lambda: page.status == "Live")
    Select(page.find("#recent-exchange")).select_by_value("okx")
    page.wait(lambda: {row[1] for row in page.liquidations} == {"OKX"})
    assert len(page.liquidations) == 40
    page.write("#recent-symbol", f"btcusdt{Keys.ENTER}")
    page.wait(lambda: "No liquidations of these" in page.text("#recent-frame"))
    page.wait(lambda: page.status == "Live" and filled.feed.listeners == 1)
    filled.feed.publish_liquidations([liquidation(1), liquidation(2, exchange="okx")])
    page.wait(lambda: page.liquidations)
    assert [row[1:3] for row in page.liquidations] == [["OKX", "BTCUSDT"]]


def test_the_list_stands_still_under_the_pointer(page, filled):
    page.open()
    page.wait(lambda: page.status == "Live")
    before = page.liquidations
    ActionChains(page.driver).move_to_element(page.find("#recent-frame")).perform()
    page.wait(lambda: "Paused" in page.status)
    filled.feed.publish_liquidations([liquidation(71), liquidation(72)])
    page.wait(lambda: "Paused, 2 new" in page.status)
    assert page.liquidations == before
    ActionChains(page.driver).move_to_element(page.find("h1")).perform()
    page.wait(lambda: [row[4] for row in page.liquidations[:2]] == ["65,072.0", "65,071.0"])
    assert page.status == "Live"


def test_a_socket_that_breaks_is_said_opened_anew_and_nothing_is_missed(made, new_page):
    fill(made.store)
    socket = FakeSocket()
    page = new_page(made, routers=[socket.router]).open()
    page.wait(lambda: page.status == "Live")
    socket.refuses = True
    socket.drop()
    page.wait(lambda: page.status == "Connection lost, trying again…")
    assert page.run("return document.querySelectorAll('.exchange-cards.is-stale').length") == 1
    missed = liquidation(1, exchange="binance")
    made.store.add_liquidations(
        {
            "exchange": "binance",
            "symbol": "BTCUSDT",
            "time": missed.time.replace(tzinfo=None),
            "side": [1],
            "quantity": [2.0],
            "price": [missed.price],
        }
    )
    socket.refuses = False
    page.wait(lambda: page.status == "Live")
    assert page.run("return document.querySelectorAll('.exchange-cards.is-stale').length") == 0
    page.wait(lambda: page.liquidations[0][4] == "65,001.0")
    socket.tell(liquidation(2))
    page.wait(lambda: page.liquidations[0][4] == "65,002.0")


def test_a_socket_that_is_refused_says_why_and_is_asked_seldom(made, new_page):
    fill(made.store)
    socket = FakeSocket()
    socket.detail = "200 clients listen already, which is the most; try again later"
    page = new_page(made, routers=[socket.router]).open()
    page.wait(lambda: "200 clients listen already" in page.status)
    waits = [later - earlier for earlier, later in pairwise(asked(page, socket, 4))]
    assert waits[2] > waits[0]


def asked(page, socket, times):
    """Wait until a socket was asked for so many times; return when."""
    page.wait(lambda: len(socket.asked) >= times)
    return socket.asked[:times]


def test_the_same_liquidation_told_twice_is_one(made, new_page):
    socket = FakeSocket()
    page = new_page(made, routers=[socket.router])
    page.driver.get(f"{page.server}/data")
    page.wait(lambda: page.status == "Live" and socket.open)
    socket.tell(same := liquidation(1))
    socket.tell(same)
    socket.tell(liquidation(2))
    page.wait(lambda: len(page.liquidations) >= 2)
    assert [row[4] for row in page.liquidations] == ["65,002.0", "65,001.0"]
    # Of two that are equal in all else, the exchange's own ids say that they are two.
    socket.tell(replace(same, trade_id=1))
    socket.tell(replace(same, trade_id=2))
    page.wait(lambda: len(page.liquidations) == 4)


def test_where_nothing_is_collected_the_list_says_how_to(filled, new_page):
    page = new_page(filled, collecting=False).open()
    assert page.status == "Not collecting"
    assert len(page.liquidations) == 50
