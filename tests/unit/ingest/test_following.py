import asyncio
import json

import httpx
import pytest

from ingest.adapters.adapter import Request
from ingest.adapters.bybit import Bybit
from ingest.following import all_pages
from ingest.http import HttpClient, HttpError
from ingest.live.polling import instruments


def page(*symbols, cursor):
    rows = [{"symbol": s, "contractType": "LinearPerpetual", "status": "Trading"} for s in symbols]
    return {"retCode": 0, "retMsg": "OK", "result": {"list": rows, "nextPageCursor": cursor}}


def bybits_markets(pages):
    """Return the symbols that are read, and the cursors that were asked for."""
    asked = []

    def answer(request):
        asked.append(request.url.params.get("cursor"))
        assert request.url.params["status"] == "Trading"
        return httpx.Response(200, json=pages[asked[-1]])

    async def run():
        async with HttpClient(transport=httpx.MockTransport(answer)) as client:
            return [one.symbol for one in await instruments(client, Bybit())]

    return asyncio.run(run()), asked


def test_bybits_list_of_markets_is_read_to_its_last_page():
    symbols, asked = bybits_markets(
        {
            None: page("BTCUSDT", "ETHUSDT", cursor="first%3DETH"),
            "first%3DETH": page("SOLUSDT", cursor="x"),
            "x": page("XRPUSDT", cursor=""),
        }
    )
    assert symbols == ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"]
    assert asked == [None, "first%3DETH", "x"]


def test_an_answer_without_a_cursor_is_the_only_one():
    only = page("BTCUSDT", cursor="")
    del only["result"]["nextPageCursor"]
    assert bybits_markets({None: only}) == (["BTCUSDT"], [None])


def test_pages_without_an_end_are_given_up():
    def again(text):
        return Request("/list", following=again)

    async def ask(request):
        return json.dumps([]).encode()

    async def run():
        return [text async for text in all_pages([again("")], ask)]

    with pytest.raises(HttpError, match="/list: expected at most 100 pages, found more"):
        asyncio.run(run())
