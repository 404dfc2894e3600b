"""What the page asks for by itself, as a browser does over HTTP."""

import asyncio

import httpx

from app.main import create_app
from app.settings import Settings
from tests.browser.fake_heatmaps import FakeHeatmaps, NothingStored
from tests.browser.fake_live import FakeStates

from .test_page import STATE, picture, post, written


def call(heatmaps, *requests, **options):
    """Return the answers of one server, made with options, to requests one after the other."""

    async def run():
        transport = httpx.ASGITransport(app=create_app(Settings(), heatmaps, **options))
        base = "http://127.0.0.1"
        async with httpx.AsyncClient(transport=transport, base_url=base, timeout=60) as http:
            return [await request(http) for request in requests]

    return asyncio.run(run())


def pulse(**state):
    return post("fresh.data", pulse={"number": 3}, state=STATE | state, intensity=[0, 255])


def exchanges(symbol="BTCUSDT"):
    return post("exchanges.options", symbol=symbol)


def test_a_picture_that_is_asked_for_by_itself_is_that_of_the_choices():
    fresh, usual = call(FakeHeatmaps(), pulse(), picture())
    answer = fresh["fresh"]["data"]
    assert (answer["pulse"], answer["turn"]) == (3, STATE["turn"])
    assert answer["props"].pop("shown")["data"] == usual.pop("shown")["data"] | {"pulse": 3}
    assert answer["props"] == usual


def test_a_message_leaves_the_figure_that_was_there():
    (fresh,) = call(NothingStored(), pulse(symbol=""), collecting=True)
    props = fresh["fresh"]["data"]["props"]
    assert "Live data are being collected" in written(props["message"]["children"])
    assert "heatmap" not in props
    assert props["shown"]["data"] == {"turn": STATE["turn"], "pulse": 3}


def test_the_page_is_live_only_where_the_server_collects():
    offer = post("live-control.hidden", location="/")
    (absent,), (present,) = (call(FakeHeatmaps(), offer, collecting=c) for c in (False, True))
    assert absent == {"live-control": {"hidden": True}, "clock": {"disabled": True}}
    assert present == {"live-control": {"hidden": False}, "clock": {"disabled": False}}


def test_exchanges_are_offered_with_the_states_of_their_connections():
    states = FakeStates({"binance": "connected", "bybit": "down", "hyperliquid": "degraded"})
    (answer,) = call(FakeHeatmaps(), exchanges(), states=states)
    options = {option["value"]: option for option in answer["exchanges"]["options"]}
    assert list(options) == ["all", "binance", "bybit", "hyperliquid", "okx"]
    assert "connected" in written(options["binance"])
    assert "down" in written(options["bybit"])
    assert options["hyperliquid"]["disabled"]


def test_a_server_that_never_connected_tells_only_names():
    states = FakeStates(dict.fromkeys(("binance", "bybit", "okx"), "off"))
    offered, without = (
        call(FakeHeatmaps(), exchanges(), states=each)[0] for each in (states, None)
    )
    assert offered == without


def test_a_page_that_stands_still_says_so_in_its_address():
    still, moving = call(
        FakeHeatmaps(),
        post("address.data", state=STATE, intensity=[0, 255], live=[]),
        post("address.data", state=STATE, intensity=[0, 255], live=["live"]),
    )
    assert still["address"]["data"].endswith("&live=off")
    assert "live" not in moving["address"]["data"]
