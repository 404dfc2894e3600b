"""Each control does what it says: read back from the request, the figure and the address."""

import pytest
from selenium.webdriver import Keys

from components.controls import WINDOWS
from components.palettes import PALETTES
from components.theme import THEMES

HOUR = 3_600_000


def test_the_symbol_dropdown_changes_the_market(page):
    page.open()
    with page.redrawn():
        page.select("symbol", "ETHUSDT")
    assert page.request["symbol"] == "ETHUSDT"
    assert "symbol=ETHUSDT" in page.search
    assert "ETHUSDT" in page.run("return plot().layout.annotations.map((a) => a.text).join()")
    assert page.driver.title.endswith("ETHUSDT · Liquidation heatmap")


def test_exchange_chips_choose_single_exchanges_or_all(page):
    page.open()
    assert page.chosen("exchanges") == ["all"]
    with page.redrawn():
        page.tick("exchanges", "bybit")
    assert page.chosen("exchanges") == ["bybit"]
    assert page.request["exchanges"] == ["bybit"]
    with page.redrawn():
        page.tick("exchanges", "okx")
    assert page.request["exchanges"] == ["bybit", "okx"]
    assert "exchanges=bybit,okx" in page.search
    with page.redrawn():
        page.tick("exchanges", "all")
    assert page.chosen("exchanges") == ["all"]
    assert page.request["exchanges"] == []
    assert "exchanges" not in page.search


def test_the_last_exchange_taken_away_means_all(page):
    page.open("?exchanges=okx")
    with page.redrawn():
        page.tick("exchanges", "okx")
    assert page.chosen("exchanges") == ["all"]


def test_fewer_exchanges_are_less_heat(page):
    page.open("?mapping=linear")
    everything = page.run("return window.lastDrawn.lastPrice"), page.text(".legend-high")
    with page.redrawn():
        page.tick("exchanges", "okx")
    page.wait(lambda: page.text(".legend-high") != everything[1])


def test_every_window_has_its_length(page):
    page.open("?window=3d")
    for window in ("12h", "24h", "48h", "7d", "14d", "30d", "3d"):
        with page.redrawn():
            page.tick("window", window)
        page.wait(lambda w=window: page.heat["stop"] - page.heat["start"] == WINDOWS[w] * HOUR)
        assert page.ranges[0] == [page.heat["start"], page.heat["stop"]]
        assert page.search == f"?symbol=BTCUSDT&window={window}".replace("&window=7d", "")


def test_a_window_longer_than_the_data_shows_what_there_is(page):
    page.open("?window=1y")
    assert page.heat["stop"] - page.heat["start"] == 40 * 24 * HOUR


def test_a_custom_range_begins_from_what_is_shown(page):
    page.open("?window=24h")
    with page.redrawn():
        page.tick("window", "custom")
    assert page.find("#start").get_attribute("value") == "2026-02-09T00:00"
    assert page.find("#stop").get_attribute("value") == "2026-02-10T00:00"
    with page.redrawn():
        page.run(SET_FIELD, "start", "2026-02-07T12:00")
    assert page.request["start"] == "2026-02-07T12:00:00Z"
    assert page.request["stop"] == "2026-02-10T00:00:00Z"
    assert "start=2026-02-07T12:00&stop=2026-02-10T00:00" in page.search


# How a date field is filled in depends on the browser's language; its value does not.
SET_FIELD = """
const field = document.getElementById(arguments[0]);
const { set } = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value");
set.call(field, arguments[1]);
field.dispatchEvent(new Event("input", { bubbles: true }));
field.focus();
field.blur();
"""


def test_a_preset_is_drawn_with_colours_of_its_own(page):
    page.open()
    assert (page.heat["zmin"], page.heat["zmax"]) == (76, 255)
    assert not page.find("#model").is_displayed()
    with page.redrawn():
        page.select("preset", "net-flow")
    assert (page.request["model"], page.request["profile"]) == ("time-evolving", "turning")
    assert "no measured skill" in page.text("#preset-note")
    assert "preset=net-flow" in page.search
    with page.redrawn():
        page.select("preset", "lasting")
    assert page.request["lasting"] is True
    with page.redrawn():
        page.select("preset", "coinglass-like")
    page.wait(lambda: page.heat["zmin"] == 217)


def test_custom_begins_with_what_the_preset_before_it_assumed(page):
    page.open("?preset=net-flow")
    with page.redrawn():
        page.select("preset", "custom")
    page.wait(lambda: page.find("#model").is_displayed())
    assert page.find("#model").get_attribute("value") == "time-evolving"
    assert page.find("#profile").get_attribute("value") == "turning"
    assert page.find("#side-rule").get_attribute("value") == "symmetric"
    assert (page.request["model"], page.request["side_rule"]) == ("time-evolving", "symmetric")
    page.wait(lambda: page.heat["zmin"] == 0)


def test_the_model_is_asked_for(page):
    page.open("?preset=custom")
    with page.redrawn():
        page.select("model", "time-evolving")
    assert page.request["model"] == "time-evolving"
    assert "model=time-evolving" in page.search


def test_a_named_leverage_profile_is_asked_for(page):
    page.open("?preset=custom")
    with page.redrawn():
        page.select("profile", "hot")
    assert page.request["profile"] == "hot"
    assert "profile=hot" in page.search
    with page.redrawn():
        page.select("profile", "own")
    assert page.request["profile"] in ("", None)


def write_profile(page, text):
    # The editor begins with the weights in force; they arrive when it is open.
    page.wait(lambda: page.find("#profile-text").get_attribute("value"))
    page.wait(lambda: page.find("#profile-apply").is_enabled())
    page.find("#profile-text").send_keys(Keys.CONTROL, "a", Keys.NULL, text)


def test_a_leverage_profile_can_be_written(page):
    page.open("?preset=custom")
    page.select("profile", "custom")
    write_profile(page, "10:1, 50:x")
    page.wait(lambda: "is one of classic" in page.text("#profile-check"))
    assert not page.find("#profile-apply").is_enabled()
    page.find("#profile-text").send_keys(Keys.BACKSPACE, "3")
    page.wait(lambda: page.find("#profile-apply").is_enabled())
    assert page.text("#profile-preview").split() == ["10x", "25.0%", "50x", "75.0%"]
    with page.redrawn():
        page.click("#profile-apply")
    assert page.request["profile"] == "10:0.25,50:0.75"
    assert "profile=10:0.25,50:0.75" in page.search
    page.wait(lambda: page.find("#profile").get_attribute("value") == "10:0.25,50:0.75")


def test_the_profile_in_force_can_be_changed_and_applied_with_enter(page):
    page.open("?profile=25:0.5,50:0.5")
    page.select("profile", "custom")
    page.wait(lambda: page.find("#profile-text").get_attribute("value") == "25:0.5,50:0.5")
    write_profile(page, "25:1,200:1")
    page.wait(lambda: "at most 150x" in page.text("#profile-check"))
    page.press(Keys.ENTER)
    assert page.find("#profile-text").is_displayed()
    write = page.find("#profile-text").send_keys
    write(Keys.CONTROL, "a", Keys.NULL, "25:1,20:1")
    page.wait(lambda: page.find("#profile-apply").is_enabled())
    with page.redrawn():
        write(Keys.ENTER)
    assert page.request["profile"] == "20:0.5,25:0.5"
    page.wait(lambda: not page.driver.find_elements("css selector", ".modal.show"))
    page.wait(lambda: page.find("#profile").get_attribute("value") == "20:0.5,25:0.5")


def test_leaving_the_profile_editor_changes_nothing(page):
    page.open("?profile=hot")
    page.select("profile", "custom")
    page.wait(lambda: page.find("#profile-cancel").is_displayed())
    page.click("#profile-cancel")
    page.wait(lambda: page.find("#profile").get_attribute("value") == "hot")
    assert page.request["profile"] == "hot"


def test_the_side_rule_is_asked_for(page):
    page.open("?preset=custom")
    with page.redrawn():
        page.select("side-rule", "candle")
    assert page.request["side_rule"] == "candle"
    assert "side_rule=candle" in page.search


@pytest.mark.parametrize("mapping", ["log", "quantile"])
def test_the_colour_mapping_changes_the_colours(page, mapping):
    page.open()
    linear, request = page.heat["sum"], page.request
    with page.redrawn():
        page.tick("mapping", mapping)
    page.wait(lambda: page.heat["sum"] > 1.2 * linear)
    assert page.request == request
    assert f"mapping={mapping}" in page.search


def test_every_palette_colours_heat_and_legend(page):
    page.open("?palette=greys")
    for name, palette in PALETTES.items():
        with page.redrawn():
            page.select("palette", name)
        page.wait(lambda p=palette: page.heat["colours"][2:] == list(p.knots))
        gradient = page.run(
            "return document.getElementById('legend').style.getPropertyValue('--gradient')"
        )
        assert palette.knots[0] in gradient
        assert palette.knots[-1] in gradient


@pytest.mark.parametrize(
    ("layer", "trace"),
    [
        ("consumed", "consumed"),
        ("candles", "candles rising"),
        ("liquidations", "long liquidations"),
        ("profile", "open longs"),
    ],
)
def test_a_layer_can_be_taken_away_and_put_back(page, layer, trace):
    page.open("?window=3d")
    assert trace in page.traces
    with page.redrawn():
        page.tick("layers", layer)
    page.wait(lambda: trace not in page.traces)
    assert layer not in page.search.split("layers=")[1]
    with page.redrawn():
        page.tick("layers", layer)
    page.wait(lambda: trace in page.traces)
    assert "layers" not in page.search


CHIP = "return document.querySelector('#layers input[value=liquidations] + label').title"


def test_the_chip_of_liquidations_says_when_none_are_stored(page):
    page.open("?window=3d")
    assert page.run(CHIP) == ""
    with page.redrawn():
        # Before the fake market's first large move there are none.
        page.run(ZOOM, "2026-01-01T00:00Z", "2026-01-01T00:30Z")
    page.wait(lambda: page.run(CHIP) == "No liquidations are stored for this view")
    with page.redrawn():
        page.run("dash_clientside.set_props('zoom', {data: null})")
    page.wait(lambda: page.run(CHIP) == "")


ZOOM = """
const [start, stop] = arguments;
dash_clientside.set_props("zoom", { data: { start, stop, low: 60000, high: 70000 } });
"""


def test_the_profiles_title_is_clear_of_the_prices(page):
    page.open("?start=2026-02-01T00:00&stop=2026-02-03T00:00")
    title, top = page.run(
        "const title = [...document.querySelectorAll('#heatmap .annotation')]"
        ".find((each) => each.textContent.includes('Open at 02-03 00:00'));"
        "const { top } = plot().getBoundingClientRect();"
        "return [title.getBoundingClientRect().toJSON(), top + plot()._fullLayout._size.t]"
    )
    assert title["bottom"] < top - 4
    assert title["top"] >= page.find("#heatmap").rect["y"] - page.run("return window.scrollY")


def test_the_heat_can_be_taken_away_and_still_be_read(page):
    page.open()
    with page.redrawn():
        page.tick("layers", "active")
    page.wait(lambda: page.heat["opacity"] == 0)
    page.point(0.9, 0.9).perform()
    page.wait(lambda: "At risk" in page.text("#reading"))


def test_the_intensity_handles_recolour_without_asking_the_server(page):
    page.open()
    turn = page.run("return window.lastDrawn.turn")
    low, high = page.driver.find_elements("css selector", "#intensity [role=slider]")
    before = page.text(".legend-low")
    low.send_keys(*[Keys.PAGE_UP] * 3)
    high.send_keys(*[Keys.ARROW_LEFT] * 5)
    page.wait(lambda: page.heat["zmin"] > 0 and page.heat["zmax"] == 250)
    assert page.text(".legend-low") != before
    page.wait(lambda: f"intensity={page.heat['zmin']}-250" in page.search)
    assert page.run("return window.lastDrawn.turn") == turn
    assert low.get_attribute("aria-valuetext") == page.text(".legend-low")


def test_the_theme_button_changes_page_and_figure(page):
    page.open()
    assert page.run("return document.documentElement.dataset.bsTheme") == "dark"
    with page.redrawn():
        page.click("#theme-toggle")
    assert page.run("return document.documentElement.dataset.bsTheme") == "light"
    page.wait(lambda: page.run("return plot().layout.paper_bgcolor") == THEMES["light"].paper)
    assert "theme=light" in page.search


def test_the_link_is_copied(page):
    page.open("?window=3d")
    page.driver.execute_cdp_cmd(
        "Browser.grantPermissions",
        {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"], "origin": page.server},
    )
    page.click("#copy-link")
    page.wait(lambda: page.find("#copy-link").get_attribute("data-said") == "Link copied")
    copied = page.driver.execute_async_script(
        "navigator.clipboard.readText().then(arguments[arguments.length - 1])"
    )
    assert copied == page.driver.current_url


def test_key_figures_are_those_of_the_picture(page):
    page.open()
    strip = page.text("#key-figures")
    for label in ("Last price", "Nearest zone above", "±5%", "Imbalance", "Max pain"):
        assert label in strip
    assert "62%" in strip
    last = page.run("return window.lastDrawn.lastPrice")
    assert f"{last:,.1f}" in strip
    assert f"{last:,.1f}" in page.run("return plot().layout.annotations[0].text")


def test_simulated_data_carry_a_badge(page):
    page.open()
    assert page.find("#simulated").is_displayed()
    assert page.text("#simulated").upper() == "SIMULATED"
