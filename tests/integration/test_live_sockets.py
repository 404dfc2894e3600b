"""The sockets that tell what was stored, on a real server."""

import asyncio
import json
import socket
import threading
import time
from contextlib import closing, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI, WebSocket
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from app.heatmaps import StoredHeatmaps
from app.live.feed import LiveFeed
from app.live.routes import live_router
from app.live.sockets import Sockets
from app.main import create_app
from app.server import Server, address, listen
from app.settings import Settings
from app.web.origins import socket_origins
from ingest.records import Liquidation
from tests.stores import add_market, memory_store

DEADLINE = 180
TIME = datetime(2026, 1, 15, 12, 0, 0, 250_000, tzinfo=UTC)


def liquidation(number=0, **changes):
    return Liquidation(
        **{
            "exchange": "bybit",
            "symbol": "BTCUSDT",
            "side": 1,
            "quantity": 0.5,
            "price": 80_000.0 + number,
            "price_kind": "bankruptcy",
            "trigger_price": None,
            "notional": 40_000.0,
            "time": TIME,
            "received": TIME + timedelta(milliseconds=250),
            "key": str(number),
        }
        | changes
    )


class Live:
    """A server of pages and sockets over a database."""

    def __init__(self, where, feed, store):
        self.where, self.feed, self.store = where, feed, store

    def connect(self, path, **options):
        return connect(f"ws://{self.where}{path}", open_timeout=DEADLINE, **options)

    def get(self, path, **options):
        return httpx.get(f"http://{self.where}{path}", timeout=DEADLINE, **options)

    def publish(self, *rows):
        self.feed.publish_liquidations(rows)


@contextmanager
def running(application):
    """Serve an application as ``liqheat serve`` does; yield the server, its host and port."""
    bound, started = listen("127.0.0.1", 0), threading.Event()
    server = Server(uvicorn.Config(application, log_config=None), started.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    where = address(bound).removeprefix("http://")
    thread.start()
    assert started.wait(DEADLINE)
    try:
        yield server, where
    finally:
        server.should_exit = True
        thread.join(DEADLINE)
        assert not thread.is_alive()


@contextmanager
def serving(application):
    with running(application) as (_, where):
        yield where


@contextmanager
def live(folder, most=5000, **changes):
    settings = Settings(cache_dir=folder / "cache", threads=2, **changes)
    with memory_store() as store:
        heatmaps, feed = StoredHeatmaps(store, settings), LiveFeed(most)
        store.listen(feed.publish_change)
        router = live_router(feed, heatmaps, socket_origins(settings))
        with serving(create_app(settings, heatmaps, [router])) as where:
            yield Live(where, feed, store)
        heatmaps.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with live(tmp_path_factory.mktemp("live")) as found:
        yield found


def read(listener):
    return json.loads(listener.recv(DEADLINE))


def test_history_that_an_exchange_tells_is_no_news(server):
    with server.connect("/ws/liquidations") as listener:
        server.publish(
            liquidation(1, received=TIME + timedelta(minutes=10, seconds=1)),
            liquidation(2, received=TIME + timedelta(minutes=10)),
        )
        assert read(listener)["price"] == 80_002.0


def test_a_liquidation_is_told_with_all_that_is_known_of_it(server):
    with server.connect("/ws/liquidations") as listener:
        server.publish(
            liquidation(),
            liquidation(side=-1, price_kind="fill", trigger_price=79_990.5, trade_id=7),
        )
        assert read(listener) == {
            "exchange": "bybit",
            "symbol": "BTCUSDT",
            "side": "long",
            "quantity": 0.5,
            "price": 80_000.0,
            "price_kind": "bankruptcy",
            "trigger_price": None,
            "notional": 40_000.0,
            "time": "2026-01-15T12:00:00.250Z",
            "received": "2026-01-15T12:00:00.500Z",
            "trade_id": None,
        }
        short = read(listener)
        told = short["side"], short["trigger_price"], short["trade_id"]
        assert told == ("short", 79_990.5, 7)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", {"bybit BTCUSDT", "bybit ETHUSDT", "okx BTCUSDT", "okx ETHUSDT"}),
        ("?symbols=&exchanges=", {"bybit BTCUSDT", "bybit ETHUSDT", "okx BTCUSDT", "okx ETHUSDT"}),
        ("?symbols=btcusdt", {"bybit BTCUSDT", "okx BTCUSDT"}),
        ("?symbols=BTCUSDT,ethusdt&exchanges=OKX", {"okx BTCUSDT", "okx ETHUSDT"}),
        ("?exchanges=okx,binance&symbols=ETHUSDT,SOLUSDT", {"okx ETHUSDT"}),
    ],
)
def test_a_client_gets_what_it_wants(server, query, wanted):
    rows = [
        liquidation(exchange=exchange, symbol=symbol)
        for exchange in ("bybit", "okx")
        for symbol in ("BTCUSDT", "ETHUSDT")
    ]
    with server.connect(f"/ws/liquidations{query}") as listener:
        server.publish(*rows)
        got = [read(listener) for _ in wanted]
        assert {f"{each['exchange']} {each['symbol']}" for each in got} == wanted
        with pytest.raises(TimeoutError):
            listener.recv(timeout=0.01)


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/ws/liquidations?exchanges=bybit,ftx", "exchanges must be among binance, bybit, okx, "),
        ("/ws/liquidations?symbols=BTC/USDT", "symbols must be like BTCUSDT,ETHUSDT, but one is"),
        ("/ws/liquidations?symbols=ETHUSDT,btc", "like BTCUSDT,ETHUSDT, but one is 'btc'"),
        ("/ws/liquidations?symbols=BTCUSD", "like BTCUSDT,ETHUSDT, but one is 'BTCUSD'"),
        (f"/ws/liquidations?symbols={','.join(f'A{i}USDT' for i in range(51))}", "at most 50"),
        ("/ws/liquidations?symbol=BTCUSDT", "there is no parameter symbol"),
        ("/ws/changes", "symbol is missing"),
        ("/ws/changes?symbol=B%20C", "symbol must match pattern"),
        ("/ws/changes?symbol=BTCUSDT&exchanges=okx", "there is no parameter exchanges"),
    ],
)
def test_what_can_not_be_is_said_before_the_socket_is_closed(server, path, detail):
    with server.connect(path) as listener:
        problem = read(listener)
        assert detail in problem["detail"]
        with pytest.raises(ConnectionClosed):
            listener.recv(DEADLINE)
        assert listener.close_code == 1008
    if "ftx" in path:
        assert problem["supported"] == ["binance", "bybit", "okx", "hyperliquid"]


def test_who_leaves_is_forgotten(server):
    with server.connect("/ws/liquidations") as listener, server.connect("/ws/liquidations"):
        server.publish(liquidation())
        read(listener)
        assert server.feed.listeners == 2
        listener.send("what a client says is not heard")
        server.publish(liquidation())
        read(listener)
    wait_until(lambda: server.feed.listeners == 0)


def wait_until(condition):
    waiting = threading.Event()
    for _ in range(DEADLINE * 100):
        if condition():
            return
        waiting.wait(0.01)
    raise AssertionError("waited in vain")


def deaf_client(where, path):
    """Open a socket and read nothing of it; return it."""
    host, port = where.split(":")
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.settimeout(DEADLINE)
    raw.connect((host, int(port)))
    raw.sendall(
        f"GET {path} HTTP/1.1\r\nHost: {where}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert b"101" in raw.recv(64)
    return raw


def test_a_client_that_does_not_read_loses_the_oldest_and_holds_up_nobody(tmp_path):
    batches, size = 60, 1000
    with live(tmp_path, most=size) as server:
        deaf = deaf_client(server.where, "/ws/liquidations")
        with server.connect("/ws/liquidations", max_size=None) as listener:
            for batch in range(batches):
                rows = [liquidation(batch * size + number) for number in range(size)]
                server.publish(*rows)
                got = [read(listener)["price"] for _ in rows]
                assert got == [row.price for row in rows]
            # More than every buffer in between holds, about 15 MB, so most of it is gone.
            assert server.feed.dropped > 0
    # The server has ended though there was more to send.
    deaf.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="told by Linux only")
def test_who_reads_no_more_is_let_go(monkeypatch):
    monkeypatch.setattr("app.server._LONGEST_UNREAD", 0.5)
    monkeypatch.setattr("app.live.sockets._LONGEST_SEND", 0.5)
    application, sockets = FastAPI(), Sockets()

    async def much():
        while True:
            yield "1" * 1_000_000
            await asyncio.sleep(0)

    @application.websocket("/")
    async def serve(websocket: WebSocket) -> None:
        await sockets.serve(websocket, lambda _parameters: nullcontext(much()))

    with running(application) as (server, where), closing(deaf_client(where, "/")):
        began = time.monotonic()
        while server.server_state.connections:
            assert time.monotonic() - began < DEADLINE
            threading.Event().wait(0.05)


def test_no_more_clients_are_let_in_than_can_be_served():
    application, sockets = FastAPI(), Sockets(most=2)

    async def once():
        yield "{}"
        await asyncio.Event().wait()

    @contextmanager
    def listening(_parameters):
        yield once()

    @application.websocket("/")
    async def serve(websocket: WebSocket) -> None:
        await sockets.serve(websocket, listening)

    def turned_away(where):
        with connect(f"ws://{where}/") as other:
            if (problem := read(other)) == {}:
                return ""
            with pytest.raises(ConnectionClosed):
                other.recv(DEADLINE)
            assert other.close_code == 1013
            return problem["detail"]

    with serving(application) as where, connect(f"ws://{where}/") as first:
        # Who is told something was let in.
        assert read(first) == {}
        with connect(f"ws://{where}/") as second:
            assert read(second) == {}
            assert "2 clients listen already" in turned_away(where)
        wait_until(lambda: not turned_away(where))


def candles(number, close=100.0):
    return {
        "exchange": "okx",
        "symbol": "BTCUSDT",
        "interval": timedelta(minutes=5),
        "open_time": np.datetime64("2026-02-01", "us") + number * np.timedelta64(5, "m"),
        "open": close,
        "high": close,
        "low": close,
        "close": close,
        "volume": 1.0,
    }


def columns(row):
    return {
        name: value if isinstance(value, str | timedelta) else np.array([value])
        for name, value in row.items()
    }


def test_changes_are_told_with_the_state_that_the_routes_answer_from(tmp_path):
    with live(tmp_path) as server:
        store = server.store
        with server.connect("/ws/changes?symbol=btcusdt") as listener:
            empty = read(listener)
            assert empty["symbol"] == "BTCUSDT"
            assert empty["data_end"] is None
            add_market(store)  # candles, open interest and liquidations, in three commits

            def told_all(last):
                return (
                    last["watermark"] == store.watermark((), "BTCUSDT")
                    and last["map_watermark"] == store.map_watermark((), "BTCUSDT")
                    and last["data_end"] == "2026-01-03T02:00:00Z"
                )

            full = until_told(listener, told_all)
            store.add_liquidations(
                {
                    "exchange": "okx",
                    "symbol": "BTCUSDT",
                    "time": np.array(["2026-01-02"], "datetime64[us]"),
                    "side": np.array([1], np.int8),
                    "quantity": np.array([1.0]),
                    "price": np.array([50_000.0]),
                }
            )
            more = read(listener)
            assert more["watermark"] != full["watermark"]
            assert more | {"watermark": ""} == full | {"watermark": ""}


def until_told(listener, condition):
    while not condition(found := read(listener)):
        pass
    return found


def test_many_changes_become_few_messages_and_the_last_one_counts(tmp_path):
    with live(tmp_path) as server, server.connect("/ws/changes?symbol=BTCUSDT") as listener:
        told = [read(listener)]
        for number in range(50):
            server.store.add_candles(columns(candles(number)))
            server.store.add_candles(columns(candles(number) | {"symbol": "ETHUSDT"}))
        while told[-1]["watermark"] != server.store.watermark((), "BTCUSDT"):
            told.append(read(listener))
        assert len(told) < 50
        assert {each["symbol"] for each in told} == {"BTCUSDT"}


def test_pages_of_others_can_not_listen(tmp_path):
    paths = ("/ws/liquidations", "/ws/changes?symbol=BTCUSDT")
    with live(tmp_path, cors_origins="https://desk.example") as server:
        own = f"http://{server.where}"
        behind_tls = f"https://{server.where}"
        for path in paths:
            for origin in (None, own, behind_tls, "https://desk.example"):
                with server.connect(path, origin=origin) as listener:
                    assert listener.protocol.handshake_exc is None
            for origin in ("https://other.example", "null", "http://localhost:1", "http://["):
                with (
                    pytest.raises(InvalidStatus, match="HTTP 403"),
                    server.connect(path, origin=origin),
                ):
                    pass


@pytest.mark.parametrize(("settings", "is_let_in"), [({}, True), ({"api_token": "abc"}, False)])
def test_any_page_may_listen_where_that_is_set_and_nobody_is_asked_who_he_is(
    tmp_path, settings, is_let_in
):
    options = {
        "origin": "https://other.example",
        "additional_headers": {"Authorization": "Bearer abc"},
    }
    refused = nullcontext() if is_let_in else pytest.raises(InvalidStatus, match="HTTP 403")
    with (
        live(tmp_path, cors_origins="*", **settings) as server,
        refused,
        server.connect("/ws/liquidations", **options) as listener,
    ):
        server.publish(liquidation())
        assert read(listener)["exchange"] == "bybit"


def test_credentials_and_known_names_are_asked_for(tmp_path):
    with live(tmp_path, api_token="open-sesame") as server:
        shown = {"Authorization": "Bearer open-sesame"}
        with server.connect("/ws/liquidations", additional_headers=shown) as listener:
            server.publish(liquidation())
            assert read(listener)["exchange"] == "bybit"
        for headers in ({}, {"Authorization": "Bearer other"}, shown | {"Host": "evil.example"}):
            with (
                pytest.raises(InvalidStatus, match="HTTP 403"),
                server.connect("/ws/liquidations", additional_headers=headers),
            ):
                pass


def test_there_are_no_other_sockets(server):
    for path in ("/ws", "/ws/nothing", "/ws/liquidations"):
        answer = server.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
        assert answer.json()["detail"].startswith(f"There is no GET {path}.")
    with pytest.raises(InvalidStatus, match="HTTP 403"), server.connect("/ws/nothing"):
        pass
