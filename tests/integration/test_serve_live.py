"""``liqheat serve --collect`` in a process of its own, fed by fake exchanges."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from ingest.live.exchange_health import exchange_health
from ingest.store import Store
from tests import fake_rest
from tests.fake_exchange.clock import ManualClock
from tests.fake_exchange.exchanges import USERS
from tests.integration.test_collect import delivered, events, fake_exchanges
from tests.integration.test_collect_command import answer_now, bitcoin, rows_of

ROOT = Path(__file__).resolve().parents[2]
SERVE = (sys.executable, "-c", "from app.cli import main; main()", "serve", "--port", "0")
DEADLINE = 180.0


class Server:
    """The command in a process of its own."""

    def __init__(self, process):
        self._process = process
        self.said = ""
        self._hearing = asyncio.create_task(self._hear())

    async def _hear(self):
        async for line in self._process.stdout:
            self.said += line.decode()

    @property
    def address(self):
        found = re.search(r"Open http://(\S+)", self.said)
        return found and found[1]

    async def get(self, path):
        async with httpx.AsyncClient(timeout=DEADLINE) as http:
            return await http.get(f"http://{self.address}{path}")

    def listen(self, path, **options):
        return connect(f"ws://{self.address}{path}", **options)

    async def states(self):
        answer = await self.get("/exchanges/health")
        return {row["exchange"]: row["state"] for row in answer.json()["data"]}

    async def reaches(self, exchange, *states):
        """Wait until an exchange is told to be in one of some states."""
        await eventually(lambda: self._is(exchange, states), f"{exchange} {states}")

    async def _is(self, exchange, states):
        return (await self.states())[exchange] in states

    def signal(self, number):
        self._process.send_signal(number)

    async def ended(self):
        """Wait for its end, and return exit code and what was said."""
        await asyncio.wait_for(self._hearing, DEADLINE)
        return await self._process.wait(), self.said

    async def end(self):
        if self._process.returncode is None:
            self._process.kill()
        await self.ended()


async def eventually(condition, what):
    deadline = time.monotonic() + DEADLINE
    while not await condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def serving(fakes, servers, folder, *options, **variables):
    """Serve, and collect from fake exchanges, until they are connected."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("LIQHEAT_")}
    clean = {k: v for k, v in kept.items() if not k.lower().endswith("_proxy")}
    process = await asyncio.create_subprocess_exec(
        *(*SERVE, "--database", "market", *options),
        cwd=folder,
        env=clean
        | {
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "LIQHEAT_COLLECT": "true",
            "LIQHEAT_COLLECT_SYMBOLS": "BTCUSDT,ETHUSDT",
            "LIQHEAT_STREAM_URLS": ",".join(f"{n}={fake.url}" for n, fake in fakes.items()),
            "LIQHEAT_REST_URLS": ",".join(f"{n}={rest.url}" for n, rest in servers.items()),
            "LIQHEAT_HYPERLIQUID_USERS": ",".join(USERS),
        }
        | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    server = Server(process)
    try:

        async def is_up():
            assert process.returncode is None, server.said
            return server.address

        await eventually(is_up, "the server")
        yield server
    finally:
        await server.end()


@contextlib.asynccontextmanager
async def collecting(fakes, servers, folder, *options, **variables):
    """Serve, and collect from fake exchanges, until all are connected."""
    async with serving(fakes, servers, folder, *options, **variables) as server:

        async def are_connected():
            # Not kept for ten seconds, as the routes for programs are.
            told = (await server.get("/metrics")).text
            state = 'liqheat_exchange_state{exchange="%s",liqheat_exchange_state="connected"} 1.0'
            return all(state % name in told for name in fakes)

        await eventually(are_connected, "connections")
        yield server


def add_ether(rest):
    """Let the fake OKX list another market, whose contracts it counts in."""
    body = rest.body

    def listed(asked):
        status, answer = body(asked)
        if asked.name == "instruments":
            (row,) = answer["data"]
            answer["data"].append(row | {"instId": "ETH-USDT-SWAP", "ctVal": "0.1"})
        return status, answer

    rest.body = listed


def play(scenario):
    async def run():
        with fake_rest.serving() as servers:
            for server in servers.values():
                answer_now(server)
            add_ether(servers["okx"])
            # What happened long ago is no news, which listeners are told.
            clock = ManualClock(datetime.now(UTC).replace(microsecond=0))
            async with fake_exchanges(clock=clock) as fakes:
                await scenario(fakes, servers)

    asyncio.run(run())


async def heard(socket, number):
    """Return the next messages of a socket, read."""
    found = []
    try:
        async with asyncio.timeout(DEADLINE):
            while len(found) < number:
                found.append(json.loads(await socket.recv()))
    except TimeoutError:
        raise AssertionError(f"only {len(found)} of {number} messages came: {found}") from None
    return found


def told(messages):
    """Return messages as rows of the database."""
    return Counter(
        (
            each["exchange"],
            each["symbol"],
            each["side"],
            each["quantity"],
            each["price"],
            each["time"],
        )
        for each in messages
    )


def expected(fakes, symbols=("BTCUSDT", "ETHUSDT")):
    """Return what must be told of what was delivered."""
    return Counter(
        {
            (*row[:5], f"{row[5].isoformat(timespec='milliseconds')}Z"): count
            for row, count in delivered(fakes).items()
            if row[1] in symbols
        }
    )


def test_a_client_gets_each_liquidation_once_and_those_that_it_wants(tmp_path):
    async def scenario(fakes, servers):
        async with (
            collecting(fakes, servers, tmp_path) as server,
            server.listen("/ws/liquidations") as everything,
            server.listen("/ws/liquidations?symbols=ethusdt&exchanges=bybit,%20OKX") as some,
        ):
            for fake in fakes.values():
                await fake.publish(*events(fake.clock, 90), copies=2)
            messages = await heard(everything, 60 * len(fakes))
            assert told(messages) == expected(fakes)
            assert set(told(messages).values()) == {1}
            fewer = await heard(some, 60)
            wanted = {name: fakes[name] for name in ("bybit", "okx")}
            assert told(fewer) == expected(wanted, ["ETHUSDT"])
            # What comes next is new, so nothing was told twice.
            await fakes["bybit"].publish(*events(fakes["bybit"].clock, 2, first=90))
            (last,) = await heard(some, 1)
            assert told([last]) <= expected(wanted, ["ETHUSDT"])
            assert (last["symbol"], last["exchange"]) == ("ETHUSDT", "bybit")
            assert told([last]).keys().isdisjoint(told(fewer))

    play(scenario)


def test_the_health_of_an_exchange_turns_as_it_breaks_and_is_mended(tmp_path):
    async def scenario(fakes, servers):
        async with collecting(fakes, servers, tmp_path) as server:
            await fakes["okx"].vanish()
            await server.reaches("okx", "down")
            answer = await server.get("/exchanges/health")
            assert answer.headers["cache-control"] == "private, max-age=10"
            rows = {row["exchange"]: row for row in answer.json()["data"]}
            assert list(rows) == ["binance", "bybit", "okx", "hyperliquid"]
            assert rows["okx"]["last_error"]
            assert {row["state"] for name, row in rows.items() if name != "okx"} == {"connected"}
            await fakes["okx"].listen()
            await server.reaches("okx", "connected")
            figures = (await server.get("/metrics")).text
            assert 'liqheat_exchange_reconnects_total{exchange="okx"} 1.0' in figures

    play(scenario)


def test_an_exchange_without_a_stream_is_as_its_answers_are(tmp_path):
    async def scenario(fakes, servers):
        del fakes["hyperliquid"]
        async with collecting(fakes, servers, tmp_path, LIQHEAT_HYPERLIQUID_USERS="") as server:
            await server.reaches("hyperliquid", "connected")
            rows = (await server.get("/exchanges/health")).json()["data"]
            assert "no stream" in rows[-1]["last_error"]
            server.signal(signal.SIGTERM)
            await server.ended()
        with Store.open(tmp_path / "market", read_only=True) as store:
            stored = exchange_health(store)
        assert {one.health.state for one in stored.values()} == {"off"}
        assert len(stored) == 4

    play(scenario)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_an_orderly_stop_stores_all_that_was_sent_and_closes_sockets(tmp_path, number, code):
    async def scenario(fakes, servers):
        async with collecting(fakes, servers, tmp_path) as server:
            async with server.listen("/ws/liquidations") as socket:
                for fake in fakes.values():
                    await fake.publish(*bitcoin(fake.clock, 500))
                server.signal(number)
                with pytest.raises(ConnectionClosed):
                    await heard(socket, 1_000_000)
            exit_code, said = await server.ended()
        assert exit_code == code, said
        assert "Traceback" not in said
        assert rows_of(tmp_path) == delivered(fakes)
        assert sum(rows_of(tmp_path).values()) == 500 * len(fakes)

    play(scenario)


def test_a_kill_loses_the_last_batch_at_most(tmp_path):
    async def scenario(fakes, servers):
        async with (
            collecting(fakes, servers, tmp_path) as server,
            server.listen("/ws/liquidations") as socket,
        ):
            for fake in fakes.values():
                await fake.publish(*bitcoin(fake.clock, 50))
            await heard(socket, 50 * len(fakes))
            before = delivered(fakes)
            for fake in fakes.values():
                await fake.publish(*bitcoin(fake.clock, 50, first=50))
            server.signal(signal.SIGKILL)
            exit_code, said = await server.ended()
        assert exit_code == -signal.SIGKILL, said
        # What was told was stored.
        assert before <= rows_of(tmp_path) <= delivered(fakes)

    play(scenario)


def test_the_database_grows_beside_the_pages_and_its_changes_are_told(tmp_path):
    async def scenario(fakes, servers):
        async with (
            collecting(fakes, servers, tmp_path) as server,
            server.listen("/ws/changes?symbol=BTCUSDT") as socket,
        ):
            (first,) = await heard(socket, 1)
            # Others may come of what is asked for meanwhile.
            await fakes["bybit"].publish(*bitcoin(fakes["bybit"].clock, 1))
            (second,) = await heard(socket, 1)
            assert second["watermark"] != first["watermark"]
            page = await server.get("/")
            assert "Liquidation heatmap" in page.text

    play(scenario)


def test_the_example_of_the_guide_prints_what_comes(tmp_path):
    guide = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```py\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)

    async def scenario(fakes, servers):
        async with collecting(fakes, servers, tmp_path) as server:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", text.replace("127.0.0.1:8050", server.address)),
                stdout=subprocess.PIPE,
            )

            async def listens():
                return "liqheat_sockets 1.0" in (await server.get("/metrics")).text

            await eventually(listens, "the example")
            for fake in fakes.values():
                await fake.publish(*bitcoin(fake.clock, 1))
            async with asyncio.timeout(DEADLINE):
                lines = [await process.stdout.readline() for _ in range(2)]
            process.kill()
            await process.wait()
        assert sorted(line.split()[1] for line in lines) == [b"bybit", b"okx"]

    play(scenario)


def test_the_demo_and_who_does_not_ask_for_it_contact_no_exchange(tmp_path):
    async def scenario(fakes, servers):
        async with serving(fakes, servers, tmp_path, "--no-collect") as server:
            assert set((await server.states()).values()) == {"off"}
            server.signal(signal.SIGTERM)
            await server.ended()
        with Store.open(tmp_path / "market") as store:
            store.mark_simulated()
        async with serving(fakes, servers, tmp_path, "--demo") as server:
            assert set((await server.states()).values()) == {"off"}
        assert [fake.tries for fake in fakes.values()] == [0] * len(fakes)
        assert [rest.asked for rest in servers.values()] == [[]] * len(servers)

    play(scenario)


def test_the_simulated_market_is_left_alone(tmp_path):
    with Store.open(tmp_path / "market") as store:
        store.mark_simulated()
    done = subprocess.run(
        [*SERVE, "--database", "market", "--collect"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "market holds the simulated market, which real data must not mix with. Choose another "
        "file with --database, or give --no-collect.\n"
    )
