"""Zoom, pan and the cursor."""

import pytest
from selenium.webdriver import Keys

HOUR = 3_600_000


def cell_size(heat):
    return (
        (heat["stop"] - heat["start"]) / heat["columns"],
        (heat["high"] - heat["low"]) / heat["buckets"],
    )


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
def test_all_that_is_drawn_stands_at_its_time_in_the_viewers_zone(page, zone):
    page.set_time_zone("UTC")
    drawn = page.open("?window=3d&layers=active,consumed,candles,liquidations").drawn_times
    assert set(drawn) >= {"active", "candles rising", "long liquidations"}
    page.set_time_zone(zone)
    page.open("?window=3d&layers=active,consumed,candles,liquidations")
    assert page.drawn_times == drawn
    assert page.ranges[0] == [page.heat["start"], page.heat["stop"]]


def test_zooming_computes_finer_cells_of_what_is_seen(page):
    page.open("?window=30d")
    before = page.heat
    with page.redrawn():
        page.wheel(0.5, 0.5, 6)
    page.wait(lambda: cell_size(page.heat)[0] < 0.75 * cell_size(before)[0])
    after = page.heat
    assert cell_size(after)[1] < 0.75 * cell_size(before)[1]
    assert after["columns"] > 400
    # The cells cover what is seen, and little more.
    (left, right), (bottom, top) = page.ranges
    assert after["start"] <= left < after["start"] + HOUR
    assert right <= after["stop"] < right + HOUR
    assert after["low"] == pytest.approx(bottom, rel=1e-6)
    assert after["high"] == pytest.approx(top, rel=1e-6)
    assert "zoom=" in page.search


def test_panning_keeps_the_zoom_and_draws_what_comes_into_sight(page):
    page.open("?window=30d")
    with page.redrawn():
        page.wheel(0.5, 0.5, 6)
    (left, right), (bottom, top) = page.ranges
    with page.redrawn():
        page.drag(0.3, 0.5, 150, 40)
    (new_left, new_right), (new_bottom, new_top) = page.ranges
    assert new_right - new_left == pytest.approx(right - left, rel=1e-6)
    assert new_top - new_bottom == pytest.approx(top - bottom, rel=1e-6)
    assert new_left < left
    assert new_bottom > bottom
    page.wait(lambda: page.heat["start"] <= new_left < page.heat["start"] + HOUR)


def test_a_zoom_survives_other_choices_and_ends_with_a_double_click(page):
    page.open("?window=30d")
    whole = page.ranges
    with page.redrawn():
        page.wheel(0.5, 0.5, 6)
    zoomed, search = page.ranges, page.search
    with page.redrawn():
        page.select("palette", "magma")
    with page.redrawn():
        page.select("preset", "net-flow")
    with page.redrawn():
        page.tick("layers", "candles")
    assert page.ranges == zoomed
    assert search.split("zoom=")[1] in page.search
    with page.redrawn():
        page.point(0.5, 0.5).double_click().perform()
    page.wait(lambda: page.ranges == whole)
    assert "zoom" not in page.search


def test_another_window_ends_the_zoom(page):
    page.open("?window=30d")
    with page.redrawn():
        page.wheel(0.5, 0.5, 6)
    with page.redrawn():
        page.tick("window", "24h")
    page.wait(lambda: page.ranges[0][1] - page.ranges[0][0] == 24 * HOUR)
    assert "zoom" not in page.search


def test_the_profile_shares_the_price_axis(page):
    page.open()
    with page.redrawn():
        page.wheel(0.5, 0.5, 4)
    shared = page.run(
        "const open = plot()._fullData.find((t) => t.name === 'open longs');"
        "return [open.yaxis, open.xaxis, plot()._fullLayout.yaxis.side]"
    )
    assert shared == ["y", "x2", "right"]


def test_the_cursor_reads_time_price_distance_and_shares(page):
    page.open()
    page.point(0.9, 0.95).perform()
    page.wait(lambda: "Binance 50%" in page.text("#reading"))
    head = page.text(".reading-head")
    assert "UTC" in head
    assert "%" in head
    body = page.text("#reading")
    assert "At risk" in body
    assert "Bybit 30%" in body
    assert "OKX 20%" in body
    page.point(0.5, 1.2).perform()
    page.wait(lambda: not page.find("#reading-card").is_displayed())


def test_the_reading_is_that_of_the_cell_under_the_cursor(page):
    page.open()
    page.point(0.25, 0.8).perform()
    page.wait(lambda: not page.driver.find_elements("css selector", "#reading-card.is-stale"))
    price = float(page.text(".reading-price").replace(",", ""))
    bottom, top = page.ranges[1]
    assert price == pytest.approx(bottom + 0.8 * (top - bottom), abs=(top - bottom) / 100)


def test_a_fast_cursor_ends_with_the_cell_it_stopped_on(page):
    page.open()
    for i in range(60):
        page.point(0.05 + 0.015 * i, 0.2 + 0.012 * i).perform()
    page.point(0.9, 0.95).perform()
    page.wait(lambda: "Binance 50%" in page.text("#reading"))
    page.wait(lambda: not page.driver.find_elements("css selector", "#reading-card.is-stale"))
    assert page.errors() == []


def test_a_click_pins_the_reading(page):
    page.open()
    page.point(0.9, 0.95).click().perform()
    page.wait(lambda: "At risk" in page.text("#reading"))
    pinned = page.text(".reading-head")
    page.point(0.3, 0.3).perform()
    assert page.text(".reading-head") == pinned
    page.point(0.3, 0.3).click().perform()
    page.wait(lambda: not page.find("#reading-card").is_displayed())


def test_the_keyboard_moves_the_cursor(page):
    page.open()
    page.run("document.getElementById('frame').focus()")
    page.press(Keys.ARROW_LEFT)
    page.wait(lambda: page.find("#reading-card").is_displayed())
    before = page.text(".reading-price")
    page.press(Keys.ARROW_UP)
    page.wait(lambda: page.text(".reading-price") != before)
    page.press(Keys.ESCAPE)
    page.wait(lambda: not page.find("#reading-card").is_displayed())
