"""The page's callbacks as a browser calls them, over HTTP."""

import asyncio
import json
import logging
import re
from datetime import UTC, datetime

import httpx
import pytest

from app.errors import NoData
from app.main import create_app
from app.settings import Settings
from engine.models import DEFAULT_MODEL, MODELS
from tests.browser.fake_heatmaps import FakeHeatmaps, NothingStored, WaitingHeatmaps

STATE = {"symbol": "BTCUSDT", "window": "24h", "turn": 1}


class Refusing(FakeHeatmaps):
    """Raises what it is given, instead of a view."""

    def __init__(self, error):
        self.error = error

    def view(self, request):
        raise self.error


def call(heatmaps, *requests):
    """Return the answers of one server to requests made one after the other."""

    async def run():
        async with client(heatmaps) as http:
            return [await request(http) for request in requests]

    return asyncio.run(run())


def client(heatmaps):
    server = create_app(Settings(), heatmaps)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=server), base_url="http://127.0.0.1", timeout=60
    )


def get(path):
    return lambda http: http.get(path)


def post(output, **values):
    """Return a request of the callback whose outputs begin with ``output``."""

    async def request(http):
        dependencies = (await http.get("/_dash-dependencies")).json()
        callback = next(c for c in dependencies if c["output"].lstrip(".").startswith(output))
        names = callback["output"].strip(".").split("...")
        filled = {
            kind: [each | {"value": values.get(each["id"])} for each in callback[kind]]
            for kind in ("inputs", "state")
        }
        outputs = [dict(zip(("id", "property"), n.rsplit(".", 1), strict=True)) for n in names]
        body = {
            "output": callback["output"],
            "outputs": outputs if callback["output"].startswith("..") else outputs[0],
            **filled,
            "changedPropIds": [
                f"{callback['inputs'][0]['id']}.{callback['inputs'][0]['property']}"
            ],
        }
        answer = await http.post("/_dash-update-component", json=body)
        return answer.json()["response"] if answer.status_code == 200 else answer

    return request


def picture(**state):
    return post("heatmap.figure", state=STATE | state, intensity=[0, 255])


def restore(search):
    return post("symbol.options", location=search)


def written(parts):
    """Return all text in components as they are sent."""
    return " ".join(re.findall(r'"children": "([^"]*)"', json.dumps(parts, ensure_ascii=False)))


def test_the_page_asks_no_other_origin_for_anything():
    (page,) = call(FakeHeatmaps(), get("/"))
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(addresses) > 5
    assert all(address.startswith("/") for address in addresses)


def test_the_browser_is_told_to_load_from_nowhere_else():
    (page,) = call(FakeHeatmaps(), get("/"))
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy


def test_bootstrap_comes_from_this_server():
    (style,) = call(FakeHeatmaps(), get("/bootstrap/bootstrap.min.css"))
    assert style.status_code == 200
    assert "Bootstrap" in style.text[:200]


def test_a_state_becomes_a_picture():
    (answer,) = call(FakeHeatmaps(), picture())
    heat = answer["heatmap"]["figure"]["data"][0]
    assert (heat["type"], heat["z"]["dtype"]) == ("heatmap", "u1")
    assert answer["message"]["children"] == []
    assert answer["simulated"]["hidden"] is False
    assert answer["shown"]["data"]["turn"] == 1


def test_a_state_may_choose_exchanges_that_the_symbol_is_not_on():
    (answer,) = call(FakeHeatmaps(), picture(exchanges=["bybit", "deribit"]))
    assert answer["shown"]["data"]["request"]["exchanges"] == ["bybit"]


def test_a_choice_that_is_none_is_drawn_as_the_usual():
    drawn, address = call(
        FakeHeatmaps(),
        picture(preset="custom", model="", palette=None),
        post("address.data", state=STATE | {"model": ""}, intensity=None),
    )
    assert drawn["shown"]["data"]["request"]["model"] == DEFAULT_MODEL
    assert address["address"]["data"] == "?symbol=BTCUSDT&window=24h"


def test_a_zoom_is_computed_at_its_own_resolution():
    zoom = {
        "start": "2026-02-08T00:00:30Z",
        "stop": "2026-02-08T12:00:01Z",
        "low": 50_000,
        "high": 60_000,
    }
    (answer,) = call(FakeHeatmaps(), picture(zoom=zoom))
    request = answer["shown"]["data"]["request"]
    assert request["start"] == "2026-02-08T00:00:00Z"
    assert request["stop"] == "2026-02-08T12:01:00Z"
    assert answer["shown"]["data"]["price"] == [50_000, 60_000]


def test_a_zoom_to_a_whole_minute_ends_there():
    zoom = {"start": "2026-02-08", "stop": "2026-02-09T00:00", "low": 50_000, "high": 60_000}
    (answer,) = call(FakeHeatmaps(), picture(zoom=zoom))
    assert answer["shown"]["data"]["request"]["stop"] == "2026-02-09T00:00:00Z"


def test_a_zoom_below_zero_begins_above_it():
    zoom = {"start": "2026-02-08", "stop": "2026-02-09", "low": -5_000, "high": 60_000}
    (answer,) = call(FakeHeatmaps(), picture(zoom=zoom))
    assert answer["shown"]["data"]["price"][0] > 0


def test_a_zoom_to_where_nothing_is_says_how_to_come_back():
    zoom = {"start": "2030-02-08", "stop": "2030-02-09", "low": 1, "high": 60_000}
    (answer,) = call(FakeHeatmaps(), picture(zoom=zoom))
    assert "Double-click" in written(answer["message"])


def test_an_empty_database_says_how_to_load_data():
    restored, drawn = call(NothingStored(), restore(""), picture(symbol=""))
    assert restored["symbol"] == {"options": [], "value": None}
    assert "No market data yet" in written(drawn["message"])
    assert "liqheat ingest PATH" in written(drawn["message"])


def test_missing_data_are_a_sentence_and_clear_what_was_there():
    (answer,) = call(Refusing(NoData("Nothing is stored for X.")), picture())
    assert "Nothing is stored for X." in written(answer["message"])
    assert "heatmap" not in answer
    assert answer["provenance"]["children"] == []
    assert "request" not in answer["shown"]["data"]


def test_a_bad_choice_is_a_sentence():
    error = ValueError("profile hot has nothing at or below 20x")
    (answer,) = call(Refusing(error), picture())
    assert "profile hot has nothing at or below 20x. Choose something else" in written(
        answer["message"]
    )


def test_an_unforeseen_error_is_a_sentence_and_in_the_log(caplog):
    with caplog.at_level(logging.ERROR):
        (answer,) = call(Refusing(ZeroDivisionError("secret detail")), picture())
    assert "Something went wrong" in written(answer["message"])
    assert "secret detail" not in json.dumps(answer)
    assert "secret detail" in caplog.text


def test_any_callback_that_fails_says_so_on_the_page(caplog):
    class Broken(FakeHeatmaps):
        def symbols(self):
            raise OSError("disk gone")

    async def side_effects(http):
        return await post("symbol.options", location="")(http)

    with caplog.at_level(logging.ERROR):
        (answer,) = call(Broken(), side_effects)
    assert "disk gone" in caplog.text
    assert "disk gone" not in str(answer)


def test_an_address_fills_in_the_controls():
    (answer,) = call(FakeHeatmaps(), restore("?symbol=solusdt&exchanges=okx&window=3d&theme=light"))
    assert answer["symbol"]["value"] == "SOLUSDT"
    assert answer["exchanges"]["value"] == ["okx"]
    assert answer["window"]["value"] == "3d"
    assert answer["theme"]["data"] == "light"
    assert answer["notice"]["children"] == ""


def test_a_symbol_that_is_not_stored_is_replaced_and_said():
    (answer,) = call(FakeHeatmaps(), restore("?symbol=XYZUSDT"))
    assert answer["symbol"]["value"] == "BTCUSDT"
    assert answer["notice"]["children"] == "Nothing is stored for XYZUSDT; this is BTCUSDT."


def test_exchanges_that_are_not_stored_are_left_out_and_said():
    some, none = call(
        FakeHeatmaps(), restore("?exchanges=kraken,okx"), restore("?exchanges=kraken,mtgox")
    )
    assert some["exchanges"]["value"] == ["okx"]
    assert some["notice"]["children"] == "kraken is not stored for BTCUSDT; shown: okx."
    assert none["exchanges"]["value"] == ["all"]
    assert none["notice"]["children"] == (
        "kraken, mtgox are not stored for BTCUSDT; shown: binance, bybit, okx."
    )


def test_controls_write_the_address():
    (answer,) = call(
        FakeHeatmaps(), post("address.data", state=STATE | {"window": "3d"}, intensity=[5, 255])
    )
    assert answer["address"]["data"] == "?symbol=BTCUSDT&window=3d&intensity=5-255"


def test_the_cursor_reads_the_cell_of_the_view_that_is_shown():
    async def at_cursor(http):
        drawn = await picture()(http)
        shown = drawn["shown"]["data"]
        time, price = sum(shown["time"]) / 2, shown["lastPrice"] * 1.03
        cursor = {"time": time, "price": price, "key": "1:2:3"}
        return await post("reading.children", cursor=cursor, shown=shown)(http)

    (answer,) = call(FakeHeatmaps(), at_cursor)
    assert "At risk (modelled)" in written(answer["reading"])
    assert answer["reading-key"]["data"] == "1:2:3"


def test_a_profile_is_checked_while_it_is_written():
    good, bad, empty, high = call(
        FakeHeatmaps(),
        *(
            post("profile-check.children", **{"profile-text": text})
            for text in ("10:1,50:3", "10:x", " ", "10:1,200:1")
        ),
    )
    assert "10:0.25,50:0.75" in good["profile-check"]["children"]
    assert good["profile-apply"]["disabled"] is False
    assert "is one of classic" in bad["profile-check"]["children"]
    assert bad["profile-apply"]["disabled"] is True
    assert empty["profile-apply"]["disabled"] is True
    assert high["profile-check"]["children"] == (
        "A leverage here is at most 150x, but one is 200x."
    )
    assert high["profile-apply"]["disabled"] is True


@pytest.mark.parametrize("text", ["5:1e400", "5:nan", "1e400:1", "nan:1,5:1"])
def test_weights_that_are_no_ordinary_numbers_are_said_to_be(text):
    (answer,) = call(FakeHeatmaps(), post("profile-check.children", **{"profile-text": text}))
    assert "must be numbers that can be added up" in answer["profile-check"]["children"]


@pytest.mark.parametrize(
    ("chosen", "weights"),
    [
        ({"profile": "hot"}, "25:0.142857,50:0.285714,100:0.571429"),
        ({"profile": "10:0.25,50:0.75"}, "10:0.25,50:0.75"),
        ({"model": "time-evolving"}, None),
    ],
)
def test_the_profile_editor_begins_with_what_is_in_force(chosen, weights):
    (answer,) = call(
        FakeHeatmaps(),
        post("profile-text.value", profile="custom", state=STATE | {"preset": "custom"} | chosen),
    )
    own = str(MODELS[chosen.get("model", DEFAULT_MODEL)].parameters.profile)
    assert answer["profile-text"]["value"] == (weights or own)


def test_a_reader_who_waits_does_not_hold_up_another():
    heatmaps = WaitingHeatmaps()

    async def two_readers():
        async with client(heatmaps) as http:
            slow = asyncio.create_task(picture(symbol="ETHUSDT")(http))
            await asyncio.to_thread(heatmaps.asked.wait, 30)
            # The first is in the middle of its computation: the second gets its picture now.
            quick = await picture(symbol="SOLUSDT")(http)
            assert not slow.done()
            heatmaps.answer.set()
            return quick, await slow

    quick, slow = asyncio.run(two_readers())
    assert quick["shown"]["data"]["symbol"] == "SOLUSDT"
    assert slow["shown"]["data"]["symbol"] == "ETHUSDT"


def test_a_window_longer_than_the_data_says_where_they_begin():
    whole, longer = call(FakeHeatmaps(), picture(window="30d"), picture(window="1y"))
    assert "map begins" not in whole["provenance"]["children"]
    assert "map begins 2026-01-01 00:00" in longer["provenance"]["children"]


@pytest.mark.parametrize("window", ["12h", "1y"])
def test_a_window_ends_with_the_data(window):
    (answer,) = call(FakeHeatmaps(), picture(window=window))
    stop = datetime.fromtimestamp(answer["shown"]["data"]["time"][1] / 1000, UTC)
    assert stop == FakeHeatmaps().extent("BTCUSDT")[1]
