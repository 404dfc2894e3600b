"""All four exchanges at work at this moment, streams and REST, and a server that collects them.

The exchanges run on an event loop in a thread, so that a test can look at a browser meanwhile.
"""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import AsyncExitStack, ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path

import numpy as np

from ingest.live.clock import SystemClock
from ingest.store import Store
from tests import fake_rest
from tests.fake_exchange.exchanges import FAKES, USERS
from tests.fake_exchange.server import Happened

ROOT = Path(__file__).parents[1]
SERVE = (sys.executable, "-c", "from app.cli import main; main()", "serve", "--collect")
DEADLINE = 180.0
MINUTE = timedelta(minutes=1)


class Exchanges:
    """Four fake exchanges, whose every action is done on their own event loop."""

    def __init__(self, loop, streams, rests):
        self._loop, self.streams, self.rests = loop, streams, rests
        self._number = count(1)

    def call(self, coroutine):
        """Do something on the exchanges' loop and return what comes of it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(DEADLINE)

    def liquidate(self, exchange, *, long=True, price=1010):
        """Let an exchange tell of a liquidation now; return it. No two are alike."""
        event = Happened(
            symbol="BTCUSDT",
            long=long,
            quantity=Decimal(next(self._number)),
            price=Decimal(price),
            time=datetime.now(UTC).replace(microsecond=0),
        )
        self.call(self.streams[exchange].publish(event))
        return event

    def break_down(self, exchange):
        """Drop an exchange's connections, and refuse new ones."""
        self.call(self.streams[exchange].vanish())

    def mend(self, exchange):
        """Let an exchange listen again."""
        self.call(self.streams[exchange].listen())


@contextmanager
def at_work():
    """Run all four exchanges, telling what their rules say of this moment."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="exchanges")
    thread.start()

    def call(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(DEADLINE)

    stack = AsyncExitStack()
    try:
        with ExitStack() as servers:
            rests = servers.enter_context(fake_rest.serving())
            for rest in rests.values():
                _keep_time(rest)
            streams = {
                name: call(stack.enter_async_context(fake(SystemClock())))
                for name, fake in FAKES.items()
            }
            try:
                yield Exchanges(loop, streams, rests)
            finally:
                call(stack.aclose())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _keep_time(rest):
    """Let a fake answer as of the moment it is asked."""
    body = rest.body
    rest.since = datetime.now(UTC) - timedelta(days=400)

    def answer(asked):
        rest.now = datetime.now(UTC)
        return body(asked)

    rest.body = answer


def store_minutes(path, exchange="binance", *, minutes=90):
    """Store a market's last minutes as the fake exchange tells them, so that minutes are read."""
    last = datetime.now(UTC).replace(second=0, microsecond=0)
    opens = [last - MINUTE * (minutes - n) for n in range(minutes)]
    millis = [fake_rest.millis(time) for time in opens]
    prices = np.array([fake_rest.prices(time, 60_000) for time in millis], np.float64)
    market = {"exchange": exchange, "symbol": "BTCUSDT"}
    times = np.array([time.replace(tzinfo=None) for time in opens], "datetime64[us]")
    candles = dict(zip(("open", "high", "low", "close"), prices.T, strict=True))
    with Store.open(path) as store:
        store.add_candles(
            market
            | {"interval": MINUTE, "open_time": times, "volume": np.full(minutes, 10.0)}
            | candles
        )
        interest = np.array([fake_rest.open_interest(time) for time in millis], np.float64)
        store.add_open_interest(market | {"time": times, "open_interest": interest})


class Server:
    """A running ``liqheat serve --collect``."""

    def __init__(self, process):
        self._process, self.said = process, ""
        self._hearing = threading.Thread(target=self._hear)
        self._hearing.start()

    def _hear(self):
        for line in self._process.stdout:
            self.said += line

    @property
    def address(self):
        """Where it answers, as it says itself."""
        deadline = time.monotonic() + DEADLINE
        while not (found := re.search(r"Open (http://\S+)", self.said)):
            assert self._process.poll() is None, self.said
            assert time.monotonic() < deadline, f"waited in vain for the server: {self.said}"
            time.sleep(0.05)
        return found[1]

    def stop(self):
        """Stop it as Ctrl-C does; return its exit status."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(DEADLINE)
        finally:
            self._process.kill()
            self._hearing.join()
            self._process.stdout.close()


@contextmanager
def collecting(exchanges, folder, *options, **variables):
    """Serve a folder's database and collect from fake exchanges, in a process of its own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("LIQHEAT_")}
    clean = {k: v for k, v in kept.items() if not k.lower().endswith("_proxy")}

    def addresses(fakes):
        return ",".join(f"{name}={fake.url}" for name, fake in fakes.items())

    process = subprocess.Popen(
        (*SERVE, "--port", "0", "--database", "market.duckdb", *options),
        cwd=folder,
        env=clean
        | {
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "LIQHEAT_COLLECT_SYMBOLS": "BTCUSDT",
            "LIQHEAT_STREAM_URLS": addresses(exchanges.streams),
            "LIQHEAT_REST_URLS": addresses(exchanges.rests),
            "LIQHEAT_HYPERLIQUID_USERS": ",".join(USERS),
        }
        | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    server = Server(process)
    try:
        yield server
    finally:
        server.stop()
