"""``liqheat collect`` in a process of its own: stopped, killed, kept out, and polling."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli import main
from app.settings import Settings, variable
from ingest.store import Store
from tests import fake_rest
from tests.fake_exchange.clock import until
from tests.fake_exchange.exchanges import USERS
from tests.fake_rest import NOW, status
from tests.integration.test_collect import delivered, events, fake_exchanges, stored

ROOT = Path(__file__).resolve().parents[2]

# Runs the command, and tells on stdout how many liquidations are stored after each batch.
PROGRAM = """
import signal, sys
from app.cli import main
from ingest.store import Store

signal.signal(signal.SIGINT, signal.default_int_handler)
add, total = Store.add_liquidations, 0

def add_and_tell(store, columns):
    global total
    added = add(store, columns)
    total += added
    print(total, flush=True)
    return added

Store.add_liquidations = add_and_tell
main(sys.argv[1:])
"""


class Process:
    """The command in a process of its own."""

    def __init__(self, process):
        self._process = process
        self.pid = process.pid
        self.total = 0
        self._reading = asyncio.create_task(self._read())
        self._hearing = asyncio.create_task(self._hear())
        self.errors = ""

    async def _read(self):
        async for line in self._process.stdout:
            self.total = int(line)

    async def _hear(self):
        async for line in self._process.stderr:
            self.errors += line.decode()

    async def tells(self, *sentences):
        """Wait until it has told something."""
        await until(lambda: all(one in self.errors for one in sentences), f"{sentences}")

    async def ended(self):
        """Wait for its end, and return exit code and messages."""
        await asyncio.gather(self._reading, self._hearing)
        return await self._process.wait(), self.errors

    def signal(self, number):
        self._process.send_signal(number)

    async def end(self):
        if self._process.returncode is None:
            self._process.kill()
        await self.ended()


@contextlib.asynccontextmanager
async def command(fakes, servers, folder, *options):
    """Run the command against fake exchanges until it has subscribed to all."""
    clean = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    streams = ",".join(f"{name}={fake.url}" for name, fake in fakes.items())
    rest = ",".join(f"{name}={server.url}" for name, server in servers.items())
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, "collect", "--database", "market", *options),
        *("--symbols", "BTCUSDT"),
        cwd=folder,
        env=clean
        | {
            "PYTHONPATH": str(ROOT),
            "LIQHEAT_STREAM_URLS": streams,
            "LIQHEAT_REST_URLS": rest,
            "LIQHEAT_HYPERLIQUID_USERS": ",".join(USERS),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    running = Process(process)
    try:
        for fake in fakes.values():
            await until(lambda f=fake: any(f.wants(c, "BTCUSDT") for c in f.open), f"{fake.name}")
        yield running
    finally:
        await running.end()


def answer_now(rest):
    """Let a fake answer what its open interest is now."""
    body = rest.body
    answers = {
        "openInterest": {"symbol": "BTCUSDT", "openInterest": "7", "time": fake_rest.millis(NOW)},
        "tickers": fake_rest.bybit_list([{"symbol": "BTCUSDT", "openInterest": "14"}])
        | {"time": fake_rest.millis(NOW)},
        "open-interest": fake_rest.okx_data(
            [{"instId": "BTC-USDT-SWAP", "oiCcy": "7", "ts": f"{fake_rest.millis(NOW)}"}]
        ),
        "metaAndAssetCtxs": [{"universe": [{"name": "BTC"}]}, [{"openInterest": "7"}]],
    }
    names = {"binance": "openInterest", "bybit": "tickers", "okx": "open-interest"}
    name = names.get(rest.exchange, "metaAndAssetCtxs")
    rest.body = lambda asked: (200, answers[name]) if asked.name == name else body(asked)


def play(scenario):
    async def run():
        with fake_rest.serving() as servers:
            for server in servers.values():
                answer_now(server)
            async with fake_exchanges() as fakes:
                await scenario(fakes, servers)

    asyncio.run(run())


def bitcoin(clock, number, first=0):
    return [one for one in events(clock, 3 * number, 3 * first) if one.symbol == "BTCUSDT"]


def rows_of(folder):
    with Store.open(folder / "market", read_only=True) as store:
        return stored(store)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_an_orderly_stop_stores_all_that_was_sent(tmp_path, number, code):
    async def scenario(fakes, servers):
        async with command(fakes, servers, tmp_path) as process:
            await process.tells(*(f"{name}: connected\n" for name in fakes))
            for fake in fakes.values():
                await fake.publish(*bitcoin(fake.clock, 500))
            process.signal(number)
            exit_code, errors = await process.ended()
        assert exit_code == code, errors
        assert "Stopped: 2,000 liquidations were stored." in errors
        assert "Traceback" not in errors
        assert rows_of(tmp_path) == delivered(fakes)
        assert sum(rows_of(tmp_path).values()) == 2000

    play(scenario)


def test_a_kill_loses_no_batch_that_was_stored_and_a_restart_goes_on(tmp_path):
    async def scenario(fakes, servers):
        async with command(fakes, servers, tmp_path) as process:
            for fake in fakes.values():
                await fake.publish(*bitcoin(fake.clock, 50))
            await until(lambda: process.total == 200, "the first ones in the database")
            before = delivered(fakes)
            for fake in fakes.values():
                await fake.publish(*bitcoin(fake.clock, 50, first=50))
            process.signal(signal.SIGKILL)
            exit_code, errors = await process.ended()
        assert exit_code == -signal.SIGKILL, errors
        rows = rows_of(tmp_path)
        assert before <= rows <= delivered(fakes)
        async with command(fakes, servers, tmp_path) as process:
            for fake in fakes.values():
                await fake.publish(*bitcoin(fake.clock, 150))
            await until(lambda: process.total == 600 - len(rows), "the others")
            process.signal(signal.SIGTERM)
            exit_code, errors = await process.ended()
        assert exit_code == 0, errors
        assert rows_of(tmp_path) == delivered(fakes)
        assert set(rows_of(tmp_path).values()) == {1}

    play(scenario)


def test_an_exchange_whose_answers_fail_disturbs_nobody(tmp_path):
    async def scenario(fakes, servers):
        servers["bybit"].answer("instruments-info", *[status(404)] * 50)
        async with command(fakes, servers, tmp_path) as process:
            for fake in fakes.values():
                await fake.publish(*bitcoin(fake.clock, 20))
            await until(lambda: process.total == 80, "all")
            process.signal(signal.SIGTERM)
            exit_code, errors = await process.ended()
        assert exit_code == 0, errors
        assert "bybit: contract sizes are not known" in errors

    play(scenario)


@pytest.fixture
def liqheat(tmp_path, monkeypatch, capfd):
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as exit_:
            main(["collect", "--database", "market", *arguments])
        return exit_.value.code, capfd.readouterr().err

    return run


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--exchanges", "mars"), "--exchanges must be of binance, bybit, okx, hyperliquid, but"),
        (("--exchanges", ","), "--exchanges must be of"),
        (("--symbols", "BTC/USDT"), "--symbols must be like BTCUSDT,ETHUSDT, but is 'BTC/USDT'"),
    ],
)
def test_what_can_not_be_collected_is_refused_before_the_database_is_made(
    liqheat, tmp_path, arguments, sentence
):
    code, errors = liqheat(*arguments)
    assert code == 2
    assert sentence in errors
    assert not (tmp_path / "market").exists()


@pytest.mark.parametrize(
    "address", ["bybit=https://x.org", "bybit", "=wss://x.org", "bybit=wss://a:b@x.org"]
)
def test_addresses_of_streams_that_can_not_be_used_are_refused(liqheat, monkeypatch, address):
    monkeypatch.setenv("LIQHEAT_STREAM_URLS", address)
    code, errors = liqheat()
    assert code == 2
    assert "LIQHEAT_STREAM_URLS" in errors


def test_the_simulated_market_is_left_alone(liqheat, tmp_path):
    with Store.open(tmp_path / "market") as store:
        store.mark_simulated()
    code, errors = liqheat()
    assert code == 2
    assert "holds the simulated market" in errors


def test_a_database_that_is_in_use_is_said(tmp_path):
    async def scenario(fakes, servers):
        async with command(fakes, servers, tmp_path) as first:
            second = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", PROGRAM, "collect", "--database", "market"),
                cwd=tmp_path,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stderr=subprocess.PIPE,
            )
            _, errors = await second.communicate()
            assert second.returncode == 2
            assert f"market is in use by process {first.pid}" in errors.decode()

    play(scenario)
