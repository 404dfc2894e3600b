"""``liqheat validate`` in a process of its own, against a fake exchange."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from app.cli import main
from app.settings import variable
from app.validate.lines import LinesFile, read_lines
from ingest.store import Store
from tests import fake_rest
from tests.fake_exchange.clock import until
from tests.fake_exchange.exchanges import USERS
from tests.fake_exchange.server import Happened
from tests.fake_rest import millis
from tests.integration.test_collect import fake_exchanges
from tests.observed import COLD, HOT, STEP, add_quiet_market
from tests.unit.app.validate.test_summary import NOON, RUN

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import signal, sys
from app.cli import main

signal.signal(signal.SIGINT, signal.default_int_handler)
main(sys.argv[1:])
"""


def user(number):
    return f"0x{number:040x}"


# Whose position is liquidated where: hits are a, c and d of five; f is too far, g never liquidated.
PLANTED = {
    USERS[True]: ("1", HOT[1][2]),
    user(2): ("3", COLD[1][2]),
    user(3): ("-1", HOT[-1][0]),
    user(4): ("1", HOT[1][5]),
    user(5): ("-1", COLD[-1][1]),
    user(6): ("2", 700.0),
    user(7): ("2", None),
    user(8): None,
}


def now():
    return datetime.now(UTC)


def quiet(rest):
    """Let a fake Hyperliquid answer as the quiet market goes on, with the planted positions."""
    body = rest.body

    def answer(asked):
        rest.now = now()
        match asked.name:
            case "metaAndAssetCtxs":
                return 200, [{"universe": [{"name": "BTC"}]}, [{"openInterest": "200"}]]
            case "candleSnapshot":
                code, rows = body(asked)
                still = dict.fromkeys("ohlc", "1000") | {"v": "0"}
                return code, [row | still for row in rows]
            case "clearinghouseState":
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
    return {"assetPositions": rows, "time": millis(now())}


@contextlib.asynccontextmanager
async def exchange():
    """Yield the fake Hyperliquid's stream and server."""
    with fake_rest.serving(("hyperliquid",)) as servers:
        quiet(servers["hyperliquid"])
        async with fake_exchanges(("hyperliquid",)) as fakes:
            yield fakes["hyperliquid"], servers["hyperliquid"]


@contextlib.asynccontextmanager
async def command(fake, server, folder, *options):
    """Run the command beside a database with the quiet market."""
    clean = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    given = {
        "PYTHONPATH": str(ROOT),
        "LIQHEAT_STREAM_URLS": f"hyperliquid={fake.url}",
        "LIQHEAT_REST_URLS": f"hyperliquid={server.url}",
        "LIQHEAT_HYPERLIQUID_USERS": ",".join(PLANTED),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, "validate", "hyperliquid", "--database", "market"),
        *options,
        cwd=folder,
        env=clean | given,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def fill(folder):
    """Store the quiet market up to now."""
    time = now()
    last = time - (time - datetime(1970, 1, 1, tzinfo=UTC)) % STEP
    with Store.open(folder / "market") as store:
        add_quiet_market(store, last - 3 * STEP, bars_before=3, bars_after=3)


def files(folder):
    return sorted((folder / "data" / "validation").glob("*.jsonl"))


def positions(path):
    return [line for line in read_lines(path) if line.kind == "position"]


async def compared(folder, number=1):
    """Wait until the last run has compared the positions that can be."""

    def is_done():
        found = files(folder)
        return len(found) == number and found[-1].stat().st_size and len(positions(found[-1])) >= 7

    await until(is_done, "positions")


async def ended(process):
    out, errors = await process.communicate()
    return process.returncode, out.decode(), errors.decode()


def test_it_finds_the_hits_that_were_planted(tmp_path):
    fill(tmp_path)

    async def scenario():
        async with (
            exchange() as (fake, server),
            command(fake, server, tmp_path, "--minutes", "0.2") as process,
        ):
            await until(lambda: any(fake.wants(c, "BTCUSDT") for c in fake.open), "the stream")
            liquidated = Happened("BTCUSDT", True, Decimal(2), Decimal("972.5"), now())
            await fake.publish(liquidated)
            return await ended(process)

    code, out, errors = asyncio.run(scenario())
    assert code == 0, errors
    (path,) = files(tmp_path)
    lines = read_lines(path)
    assert [line.kind for line in lines[:1] + lines[-1:]] == ["run", "summary"]
    found = lines[-1].summary.positions
    assert (found.compared, found.outside, found.without_price) == (5, 1, 1)
    assert (found.by_count.share, found.by_count.covered) == (0.6, pytest.approx(0.035))
    results = {line.liquidation_price: line.hot for line in positions(path)}
    assert [price for price, hot in results.items() if hot] == sorted(
        (HOT[1][2], HOT[-1][0], HOT[1][5]), key=list(results).index
    )
    (liquidation,) = [line for line in lines if line.kind == "liquidation"]
    assert (liquidation.price, liquidation.hot, liquidation.side) == (972.5, True, 1)
    assert "By number:   60.0% of 5 in hot zones" in out
    assert "No verdict: 5 are too few" in out
    assert "hyperliquid: connected" in errors
    assert "Traceback" not in errors
    assert not any(address in path.read_text() for address in PLANTED)


def test_ctrl_c_ends_it_with_what_there_is(tmp_path):
    fill(tmp_path)

    async def scenario():
        async with exchange() as (fake, server), command(fake, server, tmp_path) as process:
            await compared(tmp_path)
            process.send_signal(signal.SIGINT)
            return await ended(process)

    code, out, errors = asyncio.run(scenario())
    assert code == 130, errors
    assert "60.0% of 5 in hot zones" in out
    assert read_lines(files(tmp_path)[0])[-1].kind == "summary"
    assert "Traceback" not in errors


def test_a_kill_leaves_whole_lines_and_the_next_run_has_a_file_of_its_own(tmp_path, capsys):
    fill(tmp_path)

    async def scenario():
        async with exchange() as (fake, server):
            for number in (1, 2):
                async with command(fake, server, tmp_path) as process:
                    await compared(tmp_path, number)
                    process.kill()
                    await ended(process)

    asyncio.run(scenario())
    one, other = files(tmp_path)
    assert len(positions(one)) == len(positions(other)) == 7
    for path in (one, other):
        assert path.read_bytes().endswith(b"\n")
        assert read_lines(path)[-1].kind != "summary"
    with pytest.raises(SystemExit) as exit_:
        main(["validate", "show", str(one), str(other)])
    assert exit_.value.code == 0
    # Seen in both, each counts once.
    assert "Positions compared: 5, each user's on a side once." in capsys.readouterr().out


def test_without_users_it_says_which_setting_names_them(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv(variable("hyperliquid_users"), raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        main(["validate", "hyperliquid"])
    assert exit_.value.code == 2
    assert "LIQHEAT_HYPERLIQUID_USERS must name users" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--symbol", "BTCUSDT,ETHUSDT"], "--symbol must be one, like BTCUSDT, but is 'BTCUSDT,"),
        (["--symbol", "B@D"], "--symbol must be one, like BTCUSDT, but is 'B@D'"),
        (["--symbol", ""], "--symbol must be one, like BTCUSDT, but is ''"),
        (["--folder", "/dev/null"], "/dev/null: File exists. Choose another folder with --folder."),
        (["--folder", "/dev/null/x"], "directory. Choose another folder with --folder."),
        (["--model", "tarot"], "model must be one of"),
        (["--exchanges", "gate"], "--exchanges must be of"),
    ],
)
def test_what_can_not_be_compared_is_said(tmp_path, monkeypatch, capsys, options, sentence):
    monkeypatch.setenv(variable("hyperliquid_users"), user(1))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        main(["validate", "hyperliquid", *options])
    assert exit_.value.code == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "data" / "validation").exists()


def shown(folder, capsys, *runs):
    """Return status, output and messages of showing runs on such terms together."""
    paths = []
    for terms in runs:
        with LinesFile(folder, "BTCUSDT", NOON) as file:
            file.write(RUN.model_copy(update=terms))
            paths.append(str(file.path))
    with pytest.raises(SystemExit) as exit_:
        main(["validate", "show", *paths])
    return exit_.value.code, *capsys.readouterr()


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("within", (0.2, 0.1), "0.1 and 0.2"),
        ("engine", ("e", "f"), "e and f"),
        ("exchanges", (("okx",), ("bybit", "okx")), "bybit, okx and okx"),
    ],
)
def test_runs_on_other_terms_are_not_told_together(tmp_path, capsys, name, values, told):
    code, _, errors = shown(tmp_path, capsys, *({name: value} for value in values))
    assert code == 2
    assert f"the runs must agree in {name} to be told together, but have {told}" in errors
    assert "Name files that agree" in errors


def test_the_same_exchanges_in_another_order_are_the_same_terms(tmp_path, capsys):
    runs = ({"exchanges": ("okx", "bybit")}, {"exchanges": ("bybit", "okx")})
    code, out, _ = shown(tmp_path, capsys, *runs)
    assert code == 0
    assert "against the map of okx, bybit" in out
