"""The address holds the view, and the keyboard reaches everything."""

import pytest
from selenium.webdriver import Keys

from components.palettes import PALETTES
from components.presets import FITTED_PRESET, PRESETS


def test_a_link_restores_the_whole_view(page):
    page.open(
        "?symbol=ETHUSDT&exchanges=binance,okx&window=3d&model=time-evolving&profile=10:0.5,50:0.5"
        "&side_rule=taker&mapping=log&palette=magma&layers=active,candles&intensity=20-200"
        "&zoom=2026-02-08T00:00~2026-02-09T00:00~2500~3300&theme=light"
    )
    request = page.request
    assert request["symbol"] == "ETHUSDT"
    assert request["exchanges"] == ["binance", "okx"]
    assert request["model"] == "time-evolving"
    assert request["profile"] == "10:0.5,50:0.5"
    assert request["side_rule"] == "taker"
    assert page.chosen("window") == ["3d"]
    assert page.chosen("mapping") == ["log"]
    assert page.chosen("layers") == ["active", "candles"]
    assert page.chosen("exchanges") == ["binance", "okx"]
    assert page.find("#palette").get_attribute("value") == "magma"
    assert page.find("#profile").get_attribute("value") == "10:0.5,50:0.5"
    heat = page.heat
    assert (heat["zmin"], heat["zmax"]) == (20, 200)
    assert heat["colours"][-1] == "#fcfdbf"
    assert page.ranges == [[1770508800000, 1770595200000], [2500, 3300]]
    assert "consumed" not in page.traces
    assert page.run("return document.documentElement.dataset.bsTheme") == "light"


def test_a_link_assumes_what_no_control_shows_until_another_model_is_chosen(page):
    search = "?symbol=SOLUSDT&model=time-evolving&turnover=0.25&closing=nearest"
    page.open(search)
    page.wait(lambda: page.search == search.replace("&model", "&preset=custom&model"))
    assert (page.request["turnover"], page.request["closing"]) == (0.25, "nearest")
    with page.redrawn():
        page.select("model", "two-speed")
    assert (page.request["turnover"], page.request["closing"]) == (None, None)
    assert "turnover=" not in page.search


def test_a_link_reads_the_same_after_it_was_opened(page):
    search = "?symbol=SOLUSDT&window=3d&palette=inferno&intensity=5-250"
    page.open(search)
    page.wait(lambda: page.search == search)


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/Los_Angeles"])
def test_times_are_utc_wherever_the_reader_is(page, zone):
    page.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": zone})
    try:
        page.open("?start=2026-02-01T00:00&stop=2026-02-03T00:00")
        assert page.ranges[0] == [1769904000000, 1770076800000]
        assert page.find("#start").get_attribute("value") == "2026-02-01T00:00"
        with page.redrawn():
            page.wheel(0.5, 0.5, 3)
        page.wait(lambda: abs(page.heat["start"] - page.ranges[0][0]) <= 900_000)
        page.point(0.5, 0.5).perform()
        page.wait(lambda: "2026-02-0" in page.text(".reading-time"))
    finally:
        page.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ""})


def test_a_custom_range_is_restored(page):
    page.open("?symbol=BTCUSDT&start=2026-02-01T00:00&stop=2026-02-03T00:00")
    assert page.chosen("window") == ["custom"]
    assert page.find("#start").get_attribute("value") == "2026-02-01T00:00"
    assert page.request["stop"] == "2026-02-03T00:00:00Z"


def test_what_is_wrong_in_a_link_is_said_and_the_rest_is_shown(page):
    page.open("?symbol=ETHUSDT&palette=pink&window=5y&zoom=nonsense")
    notice = page.text("#notice")
    for part in ("palette=pink", "window=5y", "zoom=nonsense"):
        assert part in notice
    assert page.request["symbol"] == "ETHUSDT"
    page.click("#notice-close")
    page.wait(lambda: not page.find("#notice-bar").is_displayed())


@pytest.mark.parametrize("prices", ["1~2", "1~9e9", "1~1e300", "0~1e-300", "-2~-1", "6e4~5e4"])
def test_a_zoom_to_prices_that_make_no_sense_is_ignored_with_a_notice(page, prices):
    page.open(f"?window=3d&zoom=2026-02-08T00:00~2026-02-09T00:00~{prices}")
    page.wait(lambda: "ignored" in page.text("#notice"))
    page.wait(lambda: page.search == "?symbol=BTCUSDT&window=3d")
    page.wait(lambda: page.request["price_low"] is None)
    assert page.find("#heatmap").is_displayed()


@pytest.mark.parametrize(
    ("asked", "lit", "search"),
    [
        ("kraken", ["all"], "?symbol=BTCUSDT"),
        ("kraken,binance", ["binance"], "?symbol=BTCUSDT&exchanges=binance"),
    ],
)
def test_an_exchange_that_is_not_stored_is_said_and_left_out(page, asked, lit, search):
    page.open(f"?exchanges={asked}")
    assert "kraken is not stored for BTCUSDT" in page.text("#notice")
    assert page.chosen("exchanges") == lit
    page.wait(lambda: page.search == search)


def test_the_browsers_back_button_goes_back(page):
    page.open("?symbol=BTCUSDT&window=3d")
    with page.redrawn():
        page.tick("window", "24h")
    page.wait(lambda: "window=24h" in page.search)
    with page.redrawn():
        page.select("palette", "magma")
    page.wait(lambda: "palette=magma" in page.search)
    with page.redrawn():
        page.driver.back()
    assert page.chosen("window") == ["3d"]
    assert page.request["start"] == "2026-02-07T00:00:00Z"
    with page.redrawn():
        page.driver.forward()
    assert page.chosen("window") == ["24h"]
    assert page.find("#palette").get_attribute("value") == "magma"


def test_keys_choose_window_model_mapping_heat_and_palette(page):
    page.open("?symbol=BTCUSDT&window=3d")
    for key, part in (
        ("2", "window=24h"),
        ("m", "preset="),
        ("l", "mapping=log"),
        ("p", "palette=cividis"),
    ):
        with page.redrawn():
            page.press(key)
        page.wait(lambda part=part: part in page.search)
    with page.redrawn():
        page.press("h")
    page.wait(lambda: page.heat["opacity"] == 0)
    with page.redrawn():
        page.press("h")
    page.wait(lambda: page.heat["opacity"] == 1)


# Nothing was fitted to this market, so that preset isn't offered.
OFFERED = [name for name in PRESETS if name != FITTED_PRESET]


@pytest.mark.parametrize(
    ("key", "select", "choices"), [("m", "preset", OFFERED), ("p", "palette", PALETTES)]
)
def test_a_key_comes_round_to_where_it_started(page, key, select, choices):
    page.open("?symbol=BTCUSDT&window=3d")
    seen = []
    for _ in choices:
        with page.redrawn():
            page.press(key)
        seen.append(page.find(f"#{select}").get_attribute("value"))
    assert seen == [*list(choices)[1:], next(iter(choices))]
    assert page.text("#notice") == ""


def test_keys_write_into_a_field_that_has_the_focus(page):
    page.open("?symbol=BTCUSDT&window=3d&preset=custom")
    page.select("profile", "custom")
    page.wait(lambda: page.find("#profile-apply").is_enabled())
    page.find("#profile-text").send_keys(Keys.CONTROL, "a", Keys.NULL, "5:1,2:1")
    page.wait(lambda: "5x" in page.text("#profile-preview"))
    assert page.chosen("window") == ["3d"]


def test_the_help_dialog_opens_with_a_key_and_closes_with_escape(page):
    page.open()
    page.press("?")
    page.wait(lambda: "Copy a link to this view" in page.text("#help-dialog"))
    assert "the browser's Back takes back no zooms" in page.text("#help-dialog")
    page.press(Keys.ESCAPE)
    page.wait(lambda: not page.driver.find_elements("css selector", ".modal.show"))


FOCUS = """
const element = document.activeElement;
const group = element.closest("[id]:not([id^=_dbc])");
return [
  element.id && !element.id.startsWith("_dbc") ? element.id : group ? group.id : "",
  getComputedStyle(element).outlineStyle,
  element.nextElementSibling ? getComputedStyle(element.nextElementSibling).outlineStyle : "none",
];
"""


def test_focus_goes_through_the_page_as_it_is_read_and_can_be_seen(page):
    page.open()
    page.run("document.activeElement.blur(); window.scrollTo(0, 0)")
    order = []
    for _ in range(40):
        page.tab()
        name, outline, label_outline = page.run(FOCUS)
        if not name:
            break
        assert outline != "none" or label_outline != "none", name
        if not order or order[-1] != name:
            order.append(name)
    assert order == [
        "to-heatmap",
        "to-data",
        "symbol",
        "exchanges",
        "copy-link",
        "theme-toggle",
        "help",
        "window",
        "preset",
        "frame",
        "intensity",
        "mapping",
        "palette",
        "layers",
    ]


NAMELESS = """
const named = (element) =>
  element.ariaLabel || element.title || element.textContent.trim() || element.placeholder ||
  (element.labels && [...element.labels].some((label) => label.textContent.trim())) ||
  element.getAttribute("aria-labelledby");
return [...document.querySelectorAll("button, input, select, [role=slider], [tabindex='0']")]
  .filter((element) => element.offsetParent && !named(element))
  .map((element) => element.outerHTML.slice(0, 120));
"""


def test_every_control_has_a_name_for_a_screen_reader(page):
    page.open()
    page.wait(lambda: page.run(NAMELESS) == [])
