"""Waiting, empty, wrong: the page always says what is the matter, and asks nobody else."""

from pathlib import Path

import pytest

from .fake_heatmaps import FakeHeatmaps, NothingStored, WaitingHeatmaps


def test_an_empty_database_shows_how_to_load_data(serve, new_page):
    page = new_page(serve(NothingStored())).open()
    message = page.text("#message")
    assert "No market data yet" in message
    assert "liqheat ingest PATH" in message
    assert "liqheat serve --demo" in message
    assert page.errors() == []


def test_a_range_without_data_is_a_message_where_the_picture_would_be(page):
    page.open("?start=2020-01-01T00:00&stop=2020-02-01T00:00")
    assert "No data for BTCUSDT in this range" in page.text("#message")
    assert not page.find("#heatmap").is_displayed()
    with page.redrawn():
        page.tick("window", "7d")
    page.wait(lambda: page.find("#heatmap").is_displayed())
    assert page.text("#message") == ""
    assert page.heat["top"] == 255


def test_the_old_picture_stays_while_a_new_one_is_computed(serve, new_page):
    heatmaps = WaitingHeatmaps()
    page = new_page(serve(heatmaps)).open()
    try:
        page.run("dash_clientside.set_props('symbol', {value: 'ETHUSDT'})")
        page.wait(heatmaps.asked.is_set)
        assert "is-waiting" in page.find("#frame").get_attribute("class")
        assert page.find(".progress-line").value_of_css_property("visibility") == "visible"
        assert page.find("#heatmap").is_displayed()
        assert page.heat["top"] == 255
        page.wait(lambda: page.find(".progress-note").value_of_css_property("visibility"))
        with page.redrawn():
            heatmaps.answer.set()
        assert page.request["symbol"] == "ETHUSDT"
        page.wait(
            lambda: page.find(".progress-line").value_of_css_property("visibility") == "hidden"
        )
    finally:
        heatmaps.answer.set()


def test_a_reader_who_waits_does_not_hold_up_another(serve, new_page):
    heatmaps = WaitingHeatmaps()
    server = serve(heatmaps)
    waiting = new_page(server).open()
    first = waiting.driver.current_window_handle
    try:
        waiting.run("dash_clientside.set_props('symbol', {value: 'ETHUSDT'})")
        waiting.wait(heatmaps.asked.is_set)
        waiting.driver.switch_to.new_window("tab")
        other = new_page(server).open("?symbol=SOLUSDT")
        assert other.request["symbol"] == "SOLUSDT"
        assert not heatmaps.answer.is_set()
    finally:
        heatmaps.answer.set()
        if waiting.driver.current_window_handle != first:
            waiting.driver.close()
            waiting.driver.switch_to.window(first)


def test_an_unforeseen_error_is_a_sentence_without_its_details(serve, new_page):
    heatmaps = WaitingHeatmaps()
    heatmaps.broken = True
    page = new_page(serve(heatmaps)).open("?symbol=SOLUSDT")
    assert "Something went wrong" in page.text("#message")
    assert "secret detail" not in page.driver.page_source
    with page.redrawn():
        page.tick("window", "3d")
    assert "Something went wrong" in page.text("#message")


def test_a_server_that_is_gone_is_said_until_it_answers_and_the_picture_stays(page):
    page.open("?window=3d")
    conditions = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.driver.execute_cdp_cmd("Network.enable", {})
    page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", conditions | {"offline": True})
    try:
        page.tick("window", "7d")
        page.wait(lambda: "The server does not answer" in page.text("#notice"))
        assert page.find("#heatmap").is_displayed()
        assert page.heat["top"] == 255
    finally:
        page.driver.execute_cdp_cmd(
            "Network.emulateNetworkConditions", conditions | {"offline": False}
        )
        page.driver.execute_cdp_cmd("Network.disable", {})
    with page.redrawn():
        page.tick("window", "24h")
    page.wait(lambda: not page.find("#notice-bar").is_displayed())


def test_the_page_asks_nobody_else_and_the_browser_has_no_complaint(page):
    page.open("?window=3d")
    page.point(0.9, 0.9).perform()
    page.wait(lambda: "At risk" in page.text("#reading"))
    with page.redrawn():
        page.wheel(0.5, 0.5, 2)
    with page.redrawn():
        page.click("#theme-toggle")
    asked = page.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert len(asked) > 10
    assert [name for name in asked if not name.startswith((page.server, "data:"))] == []
    assert page.errors() == []


@pytest.mark.parametrize("width", [390, 768])
def test_a_small_screen_shows_all_without_scrolling_sideways(page, width):
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": True},
    )
    try:
        page.open()
        assert page.run("return document.documentElement.scrollWidth") == width
        box = page.run("return document.getElementById('frame').getBoundingClientRect().toJSON()")
        assert box["width"] == width
        assert box["height"] >= 400
        for control in ("#symbol", "#window", "#preset", "#legend", "#palette", "#layers"):
            assert page.find(control).is_displayed()
        assert ("open longs" in page.traces) == (width > 640)
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_fake_market_is_the_same_on_every_run():
    source = Path(__file__).with_name("fake_heatmaps.py").read_text()
    assert "default_rng(" in source
    first = FakeHeatmaps().extent("BTCUSDT")
    assert first == FakeHeatmaps().extent("BTCUSDT")
