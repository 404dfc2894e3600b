import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

import app.cli.fetch
from app import __version__
from app.cli import main
from app.settings import Settings, SettingsError, variable
from ingest.files.vision import archives
from ingest.http import HttpClient, Manners, Rate, Request
from ingest.store import Store
from tests import fake_archive
from tests.fake_archive import Clock, status
from tests.vision_archive import BY_NAME, fill

START, STOP = date(2024, 2, 28), date(2024, 3, 3)
RANGE = ("--start", START, "--stop", STOP)
BTC = ("--symbol", "BTCUSDT", *RANGE, "--interval", "4h")


@pytest.fixture
def server():
    with fake_archive.serving() as archive:
        for name in ("klines", "metrics", "fundingRate"):
            fill(archive, archives(BY_NAME[name], "BTCUSDT", "4h", START, STOP))
        yield archive


@pytest.fixture
def liqheat(tmp_path, monkeypatch, capfd, server, no_proxy):
    """Run a command in a folder of its own, waiting for nothing; return code, output, messages."""
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)
    monkeypatch.setenv("LIQHEAT_VISION_URL", f"{server.url}/")
    monkeypatch.chdir(tmp_path)

    def client(settings):
        proxy = settings.proxy and settings.proxy.get_secret_value()
        manners = Manners(proxy=proxy, timeout=settings.http_timeout, rate=Rate(10_000))
        clock = Clock()
        return HttpClient(manners, clock=clock, sleep=clock.sleep)

    monkeypatch.setattr(app.cli.fetch, "make_client", client)

    def run(*arguments):
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return exit_.value.code, out, err

    return run


def cells(table, kind, column):
    """Return the cells of the table's row whose given column holds a kind."""
    rows = [
        [cell.strip() for cell in line.strip()[1:-1].split("│")]
        for line in table.splitlines()
        if "│" in line
    ]
    return next(row for row in rows if row[column] == kind)


def test_fetch_says_what_came_and_under_which_licence(liqheat):
    code, out, err = liqheat("fetch", *BTC)
    assert code == 0
    assert "CC BY-NC-SA 4.0: not for commercial use" in err
    assert cells(out, "klines", 0)[1:3] == ["4", "4"]
    assert cells(out, "fundingRate", 0)[1:3] == ["2", "2"]
    assert cells(out, "candles 4h", 1)[2:5] == ["4", "24", "24"]
    assert "Not in the archive" not in err


def test_a_second_run_says_that_nothing_is_new(liqheat):
    liqheat("fetch", *BTC)
    code, out, _ = liqheat("fetch", *BTC)
    assert code == 0
    assert cells(out, "klines", 0) == ["klines", "4", "0", "0.0", "4", "0", "0"]
    assert "Nothing new: all 10 files were loaded before." in out


def test_kept_files_are_told_where_they_are(liqheat, tmp_path):
    code, _, err = liqheat("fetch", *BTC, "--keep", "--folder", "mine")
    assert code == 0
    assert "The files are in mine." in err
    assert len(list((tmp_path / "mine").rglob("*.zip"))) == 10


def test_holes_are_told_with_their_likely_reason_and_are_no_failure(liqheat, server):
    for path in [p for p in server.files if "metrics-2024-02-29" in p or "metrics-2024-03-01" in p]:
        del server.files[path]
    code, out, err = liqheat("fetch", *BTC)
    assert code == 0
    hole = "metrics of 2024-02-29 to 2024-03-01 (not traded then, or a hole in the archive)"
    assert f"Not in the archive: {hole}." in err
    assert cells(out, "metrics", 0) == [
        "metrics",
        "4",
        "2",
        *cells(out, "metrics", 0)[3:4],
        "0",
        "2",
        "0",
    ]


def test_a_symbol_that_is_not_there_is_told(liqheat):
    code, _, err = liqheat("fetch", "--symbol", "BTCUSTD", *RANGE)
    assert code == 1
    assert "Nothing of BTCUSTD is there for these days: check how the symbol is spelled." in err


def test_some_that_fail_make_1_and_are_told(liqheat, server):
    name = "BTCUSDT-4h-2024-02-29.zip"
    server.answer(name, *50 * [status(500)])
    code, out, err = liqheat("fetch", *BTC)
    assert code == 1
    assert f"{name}: 127.0.0.1" in err
    assert "answered 500 Internal Server Error (asked 5 times)." in err
    assert cells(out, "klines", 0)[-1] == "1"


def test_all_that_fail_make_2(liqheat, server):
    for path in server.files:
        if path.endswith(".CHECKSUM"):
            server.files[path] = b"nonsense"
    code, _, err = liqheat("fetch", *BTC)
    assert code == 2
    assert "expected a SHA-256 hash and BTCUSDT-4h-2024-02-28.zip, found 'nonsense'" in err


def test_nobody_there_makes_2_in_a_sentence(liqheat, monkeypatch):
    port = fake_archive.free_port()
    monkeypatch.setenv("LIQHEAT_VISION_URL", f"http://127.0.0.1:{port}")
    code, _, err = liqheat("fetch", *BTC)
    assert code == 2
    assert f"127.0.0.1:{port} can't be reached: connection refused (asked 5 times)." in err
    assert "Traceback" not in err


def test_an_archive_that_turns_us_away_half_way_makes_1(liqheat, server):
    server.answer("BTCUSDT-metrics-2024-02-29.zip", *5 * [status(403)])
    code, out, err = liqheat("fetch", *BTC)
    assert code == 1
    assert "answered 403 Forbidden (asked 5 times)." in err
    assert "Stopped: 5 files are done; the next run continues with the others." in err
    assert cells(out, "klines", 0)[2] == "4"
    assert liqheat("fetch", *BTC)[0] == 0


def test_a_folder_that_can_not_be_made_makes_2(liqheat, tmp_path):
    (tmp_path / "file").touch()
    code, _, err = liqheat("fetch", *BTC, "--folder", "file/archives")
    assert code == 2
    assert "Not a directory. Choose another folder with --folder." in err


def test_a_full_disk_makes_2(liqheat, tmp_path):
    part = tmp_path / "full/incoming/data/futures/um/daily/klines/BTCUSDT/4h"
    part.mkdir(parents=True)
    (part / "BTCUSDT-4h-2024-02-28.zip.part").symlink_to("/dev/full")
    code, _, err = liqheat("fetch", *BTC, "--folder", "full")
    assert code == 2
    assert "No space left on device. Choose another folder with --folder." in err


def test_a_proxy_is_asked_and_its_password_never_shown(liqheat, server, monkeypatch):
    for path, body in list(server.files.items()):
        server.files[f"http://archive.example{path}"] = body
    monkeypatch.setenv("LIQHEAT_VISION_URL", "http://archive.example")
    proxy = server.url.replace("http://", "http://ada:hunter2@")
    monkeypatch.setenv("LIQHEAT_PROXY", proxy)
    assert liqheat("fetch", *BTC)[0] == 0
    monkeypatch.setenv("LIQHEAT_PROXY", f"http://ada:hunter2@127.0.0.1:{fake_archive.free_port()}")
    code, out, err = liqheat("fetch", *BTC)
    assert code == 2
    assert "can't be reached" in err
    assert "hunter2" not in out + err


@pytest.mark.parametrize(
    "value", ["socks5://ada:hunter2@127.0.0.1:1", "hunter2", "http://a:hunter2"]
)
def test_what_is_no_proxy_is_refused_without_showing_it(value):
    with pytest.raises(SettingsError, match="must be an address as http://proxy") as e:
        Settings.load(proxy=value)
    assert "hunter2" not in str(e.value)


@pytest.mark.parametrize(
    "value",
    [
        "data.binance.vision",
        "ftp://x",
        "https://",
        "https://x:y",
        "https://x?y",
        "http://a b",
        "http://me:pw@x",
    ],
)
def test_what_is_no_address_of_an_archive_is_refused(value):
    with pytest.raises(SettingsError, match=r"must be an address as https://example\.org"):
        Settings.load(vision_url=value)


TOMORROW = (datetime.now(UTC) + timedelta(days=2)).date()
BAD = {
    "exchange": (["--exchange", "okx"], "--exchange must be binance, but is 'okx'"),
    "kind": (["--kinds", "klines,depth"], "--kinds must be some of klines, markPriceKlines"),
    "interval": (["--interval", "7m"], "--interval must be one of 1m, 3m"),
    "order": (["--stop", "2024-02-28"], "--start must be before --stop"),
    "future": (["--stop", TOMORROW], "--stop must be at most today"),
    "day": (["--start", "28.2.2024"], "--start must be a day, as 2024-01-31"),
    "symbol": (["--symbol", "BTC/USDT"], "--symbol must be letters and digits, as BTCUSDT"),
    "contracts": (["--symbol", "BTCUSD_PERP"], "counts contracts of 10 or 100 USD"),
}


@pytest.mark.parametrize(("options", "words"), BAD.values(), ids=BAD)
def test_what_can_not_be_asked_for_is_a_sentence(liqheat, server, tmp_path, options, words):
    code, out, err = liqheat("fetch", *BTC, *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err
    assert server.asked == []
    assert list(tmp_path.iterdir()) == []


def test_what_lies_outside_the_archive_is_said(liqheat):
    options = ("--kinds", "liquidationSnapshot", "--start", "2024-05-01", "--stop", "2024-05-03")
    code, _, err = liqheat("fetch", "--symbol", "BTCUSDT", *options)
    assert (code, err) == (1, "liquidationSnapshot: the archive ended with 2024-03-31.\n")


def test_real_data_do_not_mix_with_the_simulated_market(liqheat, server, tmp_path):
    with Store.open(tmp_path / "simulated.duckdb") as store:
        store.mark_simulated()
    code, _, err = liqheat("fetch", *BTC, "--database", "simulated.duckdb")
    assert (code, "holds the simulated market" in err) == (2, True)
    assert server.asked == []


def test_we_say_who_we_are(server, no_proxy):
    async def ask():
        async with app.cli.fetch.make_client(Settings()) as client:
            await client.get_text(Request(server.url + next(iter(server.files))))

    asyncio.run(ask())
    assert server.asked[0].headers["user-agent"] == f"liqheat/{__version__}"
