"""The pages of a real server that collects from all four exchanges, each of them a fake."""

from types import SimpleNamespace

import pytest

from components.formats import usd
from components.theme import exchange_name
from tests.live_exchanges import at_work, collecting, store_minutes

from .data_page import DataPage

# A bar lasts a minute, and an exchange that is down is tried again about as seldom.
LONG = 300
EXCHANGES = ("binance", "bybit", "okx", "hyperliquid")


@pytest.fixture(scope="module")
def market(chromium, tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    store_minutes(folder / "market.duckdb")
    with at_work() as exchanges, collecting(exchanges, folder) as server:
        yield SimpleNamespace(exchanges=exchanges, address=server.address)


@pytest.fixture
def page(new_page, market):
    return new_page(market.address)


@pytest.fixture
def data_page(browser, market):
    return DataPage(browser, market.address)


def state_of(page, exchange):
    """Return the state that the exchange's badge shows."""
    (sign,) = page.driver.find_elements(
        "css selector", f"#exchanges input[value={exchange}] + label .connection"
    )
    (state,) = (name for name in sign.get_attribute("class").split() if name.startswith("is-"))
    return state.removeprefix("is-")


def states(page):
    return {exchange: state_of(page, exchange) for exchange in EXCHANGES}


def test_the_last_column_moves_with_the_next_bar(page):
    page.open("?exchanges=binance&window=12h")
    before = page.heat
    end = page.run("return window.lastDrawn.dataEnd")
    page.wait(lambda: page.run("return window.lastDrawn.dataEnd") > end, timeout=LONG)
    assert (page.run("return window.lastDrawn.dataEnd") - end) % 60_000 == 0
    page.wait(lambda: page.heat["stop"] > before["stop"])


def test_liquidations_of_mapped_exchanges_are_drawn_as_they_come(page, market):
    page.open("?window=12h")
    for exchange in ("binance", "bybit", "okx"):
        drawn = page.run("return window.lastDrawn.liquidations")
        market.exchanges.liquidate(exchange)
        page.wait(lambda drawn=drawn: page.run("return window.lastDrawn.liquidations") > drawn)


def test_liquidations_of_all_four_are_listed_as_they_come(data_page, market):
    data_page.open()
    for exchange in EXCHANGES:
        event = market.exchanges.liquidate(exchange, price=1021)
        when = f"{event.time:%H:%M:%S}.000"
        name = exchange_name(exchange)
        data_page.wait(
            lambda when=when, name=name, event=event: any(
                row[:2] == [when, name] and row[-1] == usd(1021.0 * float(event.quantity))
                for row in data_page.liquidations
            )
        )


def test_badges_turn_as_exchanges_are_broken_and_mended(page, market):
    all_connected = dict.fromkeys(EXCHANGES, "connected")
    page.open()
    page.wait(lambda: states(page) == all_connected, timeout=LONG)
    market.exchanges.break_down("bybit")
    try:
        page.wait(lambda: states(page) == all_connected | {"bybit": "down"}, timeout=LONG)
    finally:
        market.exchanges.mend("bybit")
    page.wait(lambda: states(page) == all_connected, timeout=LONG)
