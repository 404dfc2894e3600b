"""The check of live exchanges, against fakes and against nobody."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests import fake_rest
from tests.fake_exchange.clock import DEADLINE, until
from tests.fake_exchange.exchanges import USERS
from tests.fake_rest import EXCHANGES, gives, millis, status
from tests.integration.test_collect import fake_exchanges
from tests.integration.test_collect_command import answer_now, bitcoin

ROOT = Path(__file__).resolve().parents[2]

# Size and liquidation price of what Hyperliquid's users hold; None holds nothing.
PLANTED = {
    USERS[True]: ("1", 911.5),
    f"0x{2:040x}": ("-1", 1053.5),
    f"0x{3:040x}": ("2", None),
    f"0x{4:040x}": None,
}


def answer_positions(rest):
    """Let a fake Hyperliquid answer with what is planted for a user."""
    body = rest.body

    def answer(asked):
        if asked.name == "clearinghouseState":
            return 200, state(PLANTED.get(asked.params["user"]))
        return body(asked)

    rest.body = answer


def state(planted):
    rows = []
    if planted is not None:
        size, price = planted
        told = {"coin": "BTC", "szi": size, "entryPx": "1000", "marginUsed": "25"}
        told |= {"leverage": {"type": "isolated", "value": 20}}
        told |= {"liquidationPx": None if price is None else str(price)}
        rows.append({"type": "oneWay", "position": told})
    return {"assetPositions": rows, "time": millis(datetime.now(UTC))}


@contextlib.contextmanager
def servers_of_today():
    """Serve exchanges' REST whose last bar is now."""
    with fake_rest.serving() as servers:
        for server in servers.values():
            server.now = datetime.now(UTC)
            answer_now(server)
        yield servers


@contextlib.contextmanager
def closed_port():
    """Yield a port that is taken, but on which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


async def check(folder, streams, rest, *options, **variables):
    """Start the check and return its process."""
    clean = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    given = {
        "PYTHONPATH": str(ROOT),
        "LIQHEAT_STREAM_URLS": ",".join(f"{name}={url}" for name, url in streams.items()),
        "LIQHEAT_REST_URLS": ",".join(f"{name}={url}" for name, url in rest.items()),
    }
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.live_check", *options),
        cwd=folder,
        env=clean | given | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


async def ended(process):
    """Return exit status, results and messages of a check."""
    out, errors = await process.communicate()
    return process.returncode, out.decode(), errors.decode()


def part(out, exchange):
    """Return the lines that tell of one exchange."""
    lines = iter(out.splitlines())
    for line in lines:
        if line == exchange:
            break
    told = []
    for line in lines:
        if not line.startswith("  "):
            break
        told.append(line)
    return told


def play(scenario):
    async def run():
        with servers_of_today() as servers:
            async with fake_exchanges() as fakes:
                streams = {name: fake.url for name, fake in fakes.items()}
                rest = {name: server.url for name, server in servers.items()}
                await scenario(fakes, servers, streams, rest)

    asyncio.run(run())


def test_it_tells_what_streams_send_and_servers_answer(tmp_path):
    async def scenario(fakes, servers, streams, rest):
        process = await check(tmp_path, streams, rest, "--seconds", "3")
        for fake in fakes.values():
            if fake.name != "hyperliquid":  # no users are named
                await until(lambda f=fake: any(f.wants(c, "BTCUSDT") for c in f.open), fake.name)
                await fake.publish(*bitcoin(fake.clock, 6))
        code, out, errors = await ended(process)
        assert code == 0, out + errors
        for name in ("binance", "bybit", "okx"):
            told = part(out, name)
            assert told[0].startswith("  stream: connected; "), told
            assert "6 liquidations, lag " in told[0]
            assert sum("price_kind=" in line for line in told) == 3
            assert {"  candles: 11 rows", "  candles: 12 rows", "  candles: 13 rows"} & {*told}
            assert any("interval_hours" in line and "funding_rate=" in line for line in told)
            assert "  open_interest_now: 1 row" in told
        assert any(line.startswith("  tiers: not offered: ") for line in part(out, "binance"))
        assert "  tiers: 1 row" in part(out, "okx")
        assert part(out, "hyperliquid")[0].startswith("  stream: not offered: ")

    play(scenario)
    assert list(tmp_path.iterdir()) == []


def test_of_users_that_are_named_it_tells_positions_and_listens_to_fills(tmp_path):
    async def scenario(fakes, servers, streams, rest):
        answer_positions(servers["hyperliquid"])
        named = {"LIQHEAT_HYPERLIQUID_USERS": ",".join(PLANTED)}
        chosen = ("--exchanges", "hyperliquid", "--seconds", "2")
        process = await check(tmp_path, streams, rest, *chosen, **named)
        fake = fakes["hyperliquid"]
        await until(lambda: any(fake.wants(c, "BTCUSDT") for c in fake.open), "the stream")
        await fake.publish(*bitcoin(fake.clock, 2))
        code, out, errors = await ended(process)
        assert code == 0, out + errors
        told = part(out, "hyperliquid")
        assert told[0].startswith("  stream: connected; ")
        assert "; 2 liquidations, lag " in told[0]
        for user, planted in PLANTED.items():
            rows = "1 row" if planted else "0 rows"
            assert f"  positions of {user}: {rows}" in told

    play(scenario)


def test_what_fails_is_named_and_the_others_go_on(tmp_path):
    async def scenario(fakes, servers, streams, rest):
        fakes["okx"].script.status = 503
        servers["bybit"].answer("history", status(404))
        servers["bybit"].answer("kline", gives({"retCode": 10006, "retMsg": "too many visits"}))
        chosen = ("--exchanges", "bybit,okx,hyperliquid", "--seconds", "0.1")
        code, out, errors = await ended(await check(tmp_path, streams, rest, *chosen))
        assert code == 1
        assert "bybit: no usable answer for candles, funding." in errors
        assert "okx: the stream is not connected (" in errors
        assert "503" in errors
        assert "hyperliquid:" not in errors
        assert any("failed: " in line and "10006" in line for line in part(out, "bybit"))
        assert any("not found" in line for line in part(out, "bybit"))
        assert "Traceback" not in errors

    play(scenario)


def test_without_anybody_there_it_says_so_of_each_in_a_sentence_and_ends_soon(tmp_path):
    async def run():
        with closed_port() as port:
            streams = dict.fromkeys(EXCHANGES, f"ws://127.0.0.1:{port}/ws")
            rest = dict.fromkeys(EXCHANGES, f"http://127.0.0.1:{port}")
            # Listening for a day, it would not be there to tell before the deadline.
            process = await check(tmp_path, streams, rest, "--seconds", "86400")
            async with asyncio.timeout(DEADLINE):
                code, out, errors = await ended(process)
        assert (code, out) == (1, "")
        sentences = errors.splitlines()[1:]
        assert [line.split(":")[0] for line in sentences] == list(EXCHANGES)
        assert all(f":{port} can't be reached: connection refused." in s for s in sentences)

    asyncio.run(run())


def test_a_proxy_that_is_not_there_is_what_is_told(tmp_path):
    async def scenario(fakes, servers, streams, rest):
        with closed_port() as port:
            proxy = {"LIQHEAT_PROXY": f"http://user:secret@127.0.0.1:{port}"}
            chosen = ("--exchanges", "bybit")
            code, out, errors = await ended(await check(tmp_path, streams, rest, *chosen, **proxy))
        assert (code, out) == (1, "")
        assert errors.splitlines()[1].startswith("bybit: ")
        assert "secret" not in errors

    play(scenario)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--exchanges", "gate"), "--exchanges must be"),
        (("--symbols", "!"), "--symbols must be"),
    ],
)
def test_what_can_not_be_asked_for_is_said(tmp_path, options, sentence):
    async def run():
        code, out, errors = await ended(await check(tmp_path, {}, {}, *options))
        assert (code, out) == (2, "")
        assert sentence in errors

    asyncio.run(run())
