"""The Data page in the browser, and a server that has all of its parts."""

import asyncio
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
from dash.testing.wait import until
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from app.heatmaps import StoredHeatmaps
from app.jobs import Jobs
from app.live.feed import LiveFeed, liquidation_text
from app.live.routes import live_router
from app.settings import Settings
from ingest.http import HttpClient, Manners, Rate
from ingest.records import Liquidation
from ingest.store import Store
from tests.fake_archive import Clock
from tests.fake_rest import NOW

from .fake_live import FakeStates
from .page import Page

START = np.datetime64("2026-03-01T00:00", "us")
BARS = 288
FILLED = """
const text = (id) => document.getElementById(id)?.textContent || "Loading";
const waits = ["exchange-cards", "jobs", "recent-frame"].some((id) => /Loading/.test(text(id)));
return !waits && text("coverage-sum").includes("rows");
"""
ROWS = """
return [...document.querySelectorAll("#coverage .ag-center-cols-container .ag-row")]
  .sort((a, b) => a.rowIndex - b.rowIndex || a.ariaRowIndex - b.ariaRowIndex)
  .map((row) => Object.fromEntries([...row.querySelectorAll(".ag-cell")]
    .map((cell) => [cell.getAttribute("col-id"), cell.textContent])));
"""
LIQUIDATIONS = """
return [...document.querySelectorAll("#recent-rows tr")]
  .map((row) => [...row.cells].map((cell) => cell.textContent));
"""


class DataPage(Page):
    """The Data page of one server."""

    def open(self, search=""):
        self.driver.get("about:blank")
        self.browser.reset_log_timestamp()
        self.driver.get_log("browser")
        self.driver.get(f"{self.server}/data{search}")
        self.wait(lambda: self.run(FILLED))
        return self

    @property
    def rows(self):
        """The table of what is stored, as it is seen."""
        return self.run(ROWS)

    @property
    def liquidations(self):
        """Cells of the recent liquidations, the first row first."""
        return self.run(LIQUIDATIONS)

    @property
    def status(self):
        """What is said of the connection."""
        return self.text("#recent-status")

    def write(self, selector, text):
        """Write into a field in the place of what is there."""
        field = self.find(selector)
        field.clear()
        field.send_keys(text)

    def ask_again(self):
        """Let the exchanges be asked for now, and not in ten seconds."""
        self.run("dash_clientside.set_props('data-tick', {n_intervals: Math.random()})")


class FakeSocket:
    """``WS /ws/liquidations`` that a test closes and opens."""

    def __init__(self):
        self.open, self.refuses, self.detail, self.asked = {}, False, "", []
        self.router = APIRouter()
        self.router.websocket("/ws/liquidations")(self._serve)

    def tell(self, liquidation):
        self._each(lambda socket: socket.send_text(liquidation_text(liquidation)))

    def drop(self):
        self._each(lambda socket: socket.close())

    def _each(self, do):
        for socket, loop in list(self.open.items()):
            asyncio.run_coroutine_threadsafe(do(socket), loop).result(10)

    async def _serve(self, socket: WebSocket):
        self.asked.append(time.monotonic())
        if self.refuses:
            await socket.close()
            return
        await socket.accept()
        if self.detail:
            await socket.send_json({"detail": self.detail})
            await socket.close(1013)
            return
        self.open[socket] = asyncio.get_running_loop()
        try:
            while True:
                await socket.receive_text()
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            self.open.pop(socket, None)


class Installation:
    """A database and all that a server of it has."""

    def __init__(self, folder, rest=None):
        addresses = tuple(f"{name}={server.url}" for name, server in (rest or {}).items())
        self.settings = Settings(
            database=folder / "market.duckdb", cache_dir=folder / "cache", rest_urls=addresses
        )
        self.store = Store.open(self.settings.database)
        self.heatmaps = StoredHeatmaps(self.store, self.settings)
        self.feed = LiveFeed()
        self.jobs = Jobs(self.store, self.settings, client=client, now=lambda: NOW)
        self.states = FakeStates(
            {"binance": "connected", "bybit": "connected", "okx": "degraded", "hyperliquid": "down"}
        )

    def options(self, **changes):
        """Return options of `create_app`."""
        return {
            "routers": [live_router(self.feed, self.heatmaps)],
            "states": self.states,
            "jobs": self.jobs,
            "collecting": True,
        } | changes

    def close(self):
        self.jobs.stop()
        self.heatmaps.close()
        until(self._is_closed, timeout=180)  # the page may just be asking for something

    def _is_closed(self):
        try:
            self.store.close()
        except duckdb.Error:
            return False
        return True


@contextmanager
def installation(folder, rest=None):
    """Yield an installation, closed at the end."""
    installed = Installation(folder, rest)
    try:
        yield installed
    finally:
        installed.close()


def client(settings):
    clock = Clock()
    manners = Manners(timeout=settings.http_timeout, rate=Rate(10_000))
    return HttpClient(manners, clock=clock, sleep=clock.sleep)


def fill(store):
    """Store a day of two markets, one with a gap of an hour, and some liquidations."""
    for exchange, missing in (("binance", 0), ("okx", 12)):
        bar = np.delete(np.arange(BARS), np.arange(100, 100 + missing))
        price = np.full(bar.size, 64_000.0)
        store.add_candles(
            {
                "exchange": exchange,
                "symbol": "BTCUSDT",
                "interval": timedelta(minutes=5),
                "open_time": START + bar * np.timedelta64(5, "m"),
                "volume": np.ones(bar.size),
            }
            | dict.fromkeys(("open", "high", "low", "close"), price)
        )
    for exchange, symbol, price in (("binance", "BTCUSDT", 64_000.0), ("okx", "ETHUSDT", 3_100.0)):
        n = 40
        store.add_liquidations(
            {
                "exchange": exchange,
                "symbol": symbol,
                "time": START + np.arange(n) * np.timedelta64(60, "s"),
                "side": np.where(np.arange(n) % 2 == 0, 1, -1).astype(np.int8),
                "quantity": np.full(n, 0.5),
                "price": price + np.arange(n),
            }
        )


def liquidation(number=0, **changes):
    """Return a liquidation that has just happened."""
    now = datetime.now(UTC)
    price = 65_000.0 + number
    values = {
        "exchange": "bybit",
        "symbol": "BTCUSDT",
        "side": 1,
        "quantity": 2.0,
        "price": price,
        "price_kind": "bankruptcy",
        "trigger_price": None,
        "notional": 2.0 * price,
        "time": now,
        "received": now,
        "key": f"bybit {number}",
    }
    return Liquidation(**values | changes)
