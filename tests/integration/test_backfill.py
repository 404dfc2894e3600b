"""``liqheat backfill`` against exchanges' servers on loopback, from an empty database to a map."""

import json
import threading
from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from numpy.testing import assert_allclose

import app.cli.backfill
from app.cli import main
from app.heatmaps import StoredHeatmaps
from app.request import HeatmapRequest
from app.settings import Settings, variable
from ingest.backfill import _ADD
from ingest.http import HttpClient, Manners, Rate
from ingest.store import Store, StoreError
from tests import fake_rest
from tests.fake_archive import Clock, free_port
from tests.fake_rest import EXCHANGES, NOW, gives, silent, status

START = datetime(2026, 3, 9, tzinfo=UTC)
BARS = 36 * 12  # up to noon of the next day; the bar that began then has not closed
SECOND_BAR = 1_773_014_700_000  # 2026-03-09 00:05
MARKET = ("--symbol", "BTCUSDT", "--start", "2026-03-09")


@pytest.fixture
def servers():
    with fake_rest.serving() as served:
        yield served


@pytest.fixture
def liqheat(tmp_path, monkeypatch, capfd, servers, no_proxy):
    """Run a command in a folder of its own, waiting for nothing; return code, output, messages."""
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)
    addresses = ",".join(f"{name}={rest.url}" for name, rest in servers.items())
    monkeypatch.setenv("LIQHEAT_REST_URLS", addresses)
    monkeypatch.chdir(tmp_path)
    clock = Clock()

    def client(settings):
        manners = Manners(timeout=settings.http_timeout, rate=Rate(10_000))
        return HttpClient(manners, clock=clock, sleep=clock.sleep)

    monkeypatch.setattr(app.cli.backfill, "make_client", client)
    monkeypatch.setattr(app.cli.backfill, "_now", lambda: run.now)

    def run(*arguments):
        with pytest.raises(SystemExit) as exit_:
            main([*map(str, arguments), "--database", "market"])
        out, err = capfd.readouterr()
        return exit_.value.code, out, err

    run.clock, run.now = clock, NOW
    return run


@pytest.fixture
def rows(tmp_path):
    """Return rows of a query, opened anew each time."""

    def query(sql, *parameters):
        with duckdb.connect(str(tmp_path / "market"), read_only=True) as connection:
            return connection.execute(sql, parameters).fetchall()

    return query


@pytest.fixture
def counts(rows):
    """Return how many rows an exchange has in each table."""
    tables = ("candles", "mark_candles", "open_interest", "funding_rates", "leverage_tiers")

    def count(exchange):
        select = "SELECT count(*) FROM {} WHERE exchange = ? AND symbol = 'BTCUSDT'"
        return tuple(rows(select.format(table), exchange)[0][0] for table in tables)

    return count


def backfill(*exchanges):
    return ("backfill", "--exchange", ",".join(exchanges), *MARKET)


def test_all_that_four_exchanges_offer_comes_into_an_empty_database(liqheat, counts):
    code, out, err = liqheat(*backfill(*EXCHANGES))
    assert code == 0, err
    # Open interest has a sample at noon too; rates come every 8 hours, Hyperliquid's every hour.
    assert counts("binance") == (BARS, BARS, BARS + 1, 5, 0)
    assert counts("bybit") == (BARS, BARS, BARS + 1, 5, 2)
    assert counts("okx") == (BARS, BARS, BARS + 1, 5, 2)
    assert counts("hyperliquid") == (BARS, 0, 0, 37, 2)
    assert "binance, tiers: Binance shows leverage tiers to signed requests only." in err
    assert "hyperliquid, open-interest: Hyperliquid answers for open interest at this" in err
    assert "2026-03-10 11:55" in out


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_numbers_are_those_that_the_exchange_means(liqheat, rows, exchange):
    liqheat(*backfill(exchange))
    # 2026-03-09 is day 20,521: interval 20,521 × 288 = 5,910,048 of five minutes.
    (candle,) = rows(
        "SELECT open, high, low, close, volume FROM candles WHERE open_time = '2026-03-09'"
    )
    assert candle == (1048, 1050, 1047, 1049, 58)
    mark = rows("SELECT open, close FROM mark_candles WHERE open_time = '2026-03-09'")
    assert mark == ([] if exchange == "hyperliquid" else [(1053, 1054)])
    # One side, whether the exchange counts both or contracts; at 00:00 Bybit says both sides'
    # figure only, at 00:05 that of one as well.
    interest = rows("SELECT open_interest, open_interest_notional FROM open_interest ORDER BY time")
    if exchange != "hyperliquid":
        assert [one[0] for one in interest[:2]] == [548, 549]
        assert interest[0][1] == (None if exchange == "bybit" else 548_000)
    # Interval 20,521 × 3 = 61,563 of eight hours.
    rates = rows("SELECT funding_rate FROM funding_rates ORDER BY time")
    assert rates[0] == (0.0064,)


def test_tiers_are_stored_in_quote_asset(liqheat, rows):
    liqheat(*backfill("bybit", "okx", "hyperliquid"), "--kinds", "tiers")
    select = (
        "SELECT floor, cap, max_leverage, maintenance_rate, deduction, closing_fee "
        "FROM leverage_tiers WHERE exchange = ? ORDER BY floor"
    )
    assert rows(select, "bybit") == [
        (0, 2_000_000, 100, 0.005, 0, 0),
        (2_000_000, 2_600_000, 90, 0.0056, 1200, 0),
    ]
    # The minute that closed last is the one before NOW's. 500 contracts of 0.01 are 5 BTC, 2000 are
    # 20 BTC.
    close = 1001 + int(NOW.timestamp()) // 60 % 100 - 1
    assert rows(select, "okx") == [
        (0, 5 * close, 100, 0.004, 0, 0.0005),
        (5 * close, 20 * close, 50, 0.005, 0, 0.0005),
    ]
    # Half of what opens: 1/80 and 1/40; 150 million × their difference is taken off.
    assert rows(select, "hyperliquid")[1][2:5] == (20, 0.025, 1_875_000)


def test_a_second_run_adds_nothing_and_asks_for_no_candle(liqheat, counts, servers):
    liqheat(*backfill(*EXCHANGES))
    first = {exchange: counts(exchange) for exchange in EXCHANGES}
    for rest in servers.values():
        rest.asked.clear()
    code, _, err = liqheat(*backfill(*EXCHANGES))
    assert code == 0, err
    assert {exchange: counts(exchange) for exchange in EXCHANGES} == first
    asked = {name for rest in servers.values() for name in rest.names()}
    assert not asked & {"klines", "kline", "candleSnapshot", "openInterestHist", "open-interest"}


def test_only_the_holes_are_asked_for(liqheat, servers, counts, tmp_path):
    liqheat(*backfill("bybit"), "--kinds", "candles")
    with duckdb.connect(str(tmp_path / "market")) as connection:
        connection.execute("DELETE FROM candles WHERE hour(open_time) = 5 AND day(open_time) = 9")
    servers["bybit"].asked.clear()
    liqheat(*backfill("bybit"), "--kinds", "candles")
    (asked,) = [asked.params for asked in servers["bybit"].asked if asked.name == "kline"]
    begin = START + timedelta(hours=5)
    assert int(asked["start"]) == fake_rest.millis(begin)
    assert int(asked["end"]) == fake_rest.millis(begin + timedelta(hours=1)) - 1
    assert counts("bybit")[0] == BARS


def test_what_an_exchange_does_not_keep_is_said_first_and_cut(liqheat, rows):
    code, _, err = liqheat(
        *("backfill", "--exchange", "binance,okx", "--symbol", "BTCUSDT"),
        *("--start", "2026-01-01", "--interval", "1h", "--kinds", "open-interest,funding"),
    )
    assert code == 0, err
    assert "binance, open-interest: Binance answers for the open interest of the last 30" in err
    assert (
        "open-interest can be had from 2026-02-08 13:02 UTC on" in err
    )  # 30 days less an hour ago
    first = "SELECT min(time) FROM open_interest WHERE exchange = ?"
    assert rows(first, "binance") == [(datetime(2026, 2, 8, 14),)]  # noqa: DTZ001
    assert rows(first, "okx") == [(datetime(2026, 1, 9, 13),)]  # noqa: DTZ001


def test_a_map_can_be_drawn_of_what_came(liqheat, tmp_path):
    liqheat(*backfill("binance", "bybit", "okx"))
    settings = Settings(database=tmp_path / "market", cache_dir=tmp_path / "cache")
    with Store.open(settings.database, read_only=True) as store:
        heatmaps = StoredHeatmaps(store, settings)
        request = HeatmapRequest(
            symbol="BTCUSDT",
            exchanges=("binance", "bybit", "okx"),
            start=START,
            stop=START + timedelta(days=1),
            step=timedelta(hours=1),
        )
        maps = heatmaps.maps(request)
        heatmaps.close()
    assert set(maps.parts) == {"binance", "bybit", "okx"}
    assert all(part.active.sum() > 0 for part in maps.parts.values())


def test_being_asked_to_wait_is_said_and_done(liqheat, servers, counts, caplog):
    servers["binance"].answer("klines", status(429, b"slow down", Retry_After=7))
    code, _, err = liqheat(*backfill("binance"))
    assert code == 0, err
    assert counts("binance")[0] == BARS
    assert any(wait >= 7 for wait in liqheat.clock.waits)
    assert "answered 429" in caplog.text
    assert "slow down" in caplog.text


@pytest.mark.parametrize(
    ("exchange", "name", "busy"),
    [
        ("bybit", "kline", {"retCode": 10006, "retMsg": "Too many visits!", "result": {}}),
        ("okx", "history-candles", {"code": "50011", "msg": "Too Many Requests", "data": []}),
    ],
)
def test_being_asked_too_often_in_a_success_is_waited_for(
    liqheat, servers, counts, exchange, name, busy
):
    servers[exchange].answer(name, gives(busy), gives(busy))
    code, _, err = liqheat(*backfill(exchange))
    assert code == 0, err
    assert counts(exchange)[0] == BARS
    assert servers[exchange].names().count(name) >= 3


def test_who_is_turned_away_for_long_asks_for_nothing_else(liqheat, servers, counts):
    servers["binance"].answer("markPriceKlines", status(418, b"banned", Retry_After=3600))
    code, _, err = liqheat(*backfill("binance", "bybit"))
    assert code == 1
    assert "Failed: binance, mark-candles, open-interest, funding: " in err
    assert "answered 418" in err
    assert "asks to be left alone for 1.0 hours" in err
    assert servers["binance"].names() == ["exchangeInfo", "klines", "markPriceKlines"]
    assert counts("binance")[0] == counts("bybit")[0] == BARS


def test_an_error_of_the_server_is_tried_again(liqheat, servers, counts):
    servers["okx"].answer("history-candles", status(500), status(502))
    code, _, err = liqheat(*backfill("okx"))
    assert code == 0, err
    assert counts("okx")[0] == BARS


def test_a_silent_server_is_tried_again(liqheat, servers, counts, monkeypatch):
    monkeypatch.setenv("LIQHEAT_HTTP_TIMEOUT", "0.5")
    go_on = threading.Event()
    servers["bybit"].answer("kline", silent(go_on))
    try:
        code, _, err = liqheat(*backfill("bybit"), "--kinds", "candles")
    finally:
        go_on.set()
    assert code == 0, err
    assert counts("bybit")[0] == BARS


def test_a_refusal_is_told_in_the_exchanges_words_and_the_others_go_on(liqheat, servers, counts):
    refusal = {"retCode": 10001, "retMsg": "params error", "result": {}}
    servers["bybit"].answer("mark-price-kline", gives(refusal))
    code, _, err = liqheat(*backfill("bybit", "okx"))
    assert code == 1
    assert "Failed: bybit, mark-candles: bybit: refused with code 10001: params error" in err
    assert counts("bybit") == (BARS, 0, BARS + 1, 5, 2)
    assert counts("okx") == (BARS, BARS, BARS + 1, 5, 2)


def test_empty_pages_are_no_failure(liqheat, servers, counts):
    servers["binance"].answer("klines", gives([]))
    code, _, err = liqheat(*backfill("binance"), "--kinds", "candles")
    assert code == 0, err
    assert counts("binance")[0] == 0
    liqheat(*backfill("binance"), "--kinds", "candles")
    assert counts("binance")[0] == BARS


@pytest.mark.parametrize(
    ("place", "value"),
    [(1, "5000"), (4, "5000"), (4, "1"), (3, "5000"), (0, f"{SECOND_BAR + 1000}")],
    ids=["open-above", "close-above", "close-below", "low-above-high", "beside-the-grid"],
)
def test_a_candle_that_can_not_be_is_left_out_and_the_others_are_stored(
    liqheat, servers, counts, rows, place, value
):
    def spoil(handler, body):
        answer = json.loads(body)
        (row,) = (row for row in answer["result"]["list"] if row[0] == f"{SECOND_BAR}")
        row[place] = value
        fake_rest.reply(handler, 200, json.dumps(answer).encode())

    servers["bybit"].answer("kline", spoil)
    code, _, err = liqheat(*backfill("bybit"))
    assert code == 1
    assert "Failed: bybit, candles: the candle of 2026-03-09 00:05" in err
    assert counts("bybit") == (BARS - 1, BARS, BARS + 1, 5, 2)
    liqheat(*backfill("bybit"))  # it has been mended
    assert counts("bybit")[0] == BARS


def test_pages_before_the_listing_are_empty(liqheat, servers, counts):
    servers["bybit"].since = START + timedelta(hours=12)
    code, _, err = liqheat(*backfill("bybit"))
    assert code == 0, err
    assert counts("bybit") == (BARS // 3 * 2, BARS // 3 * 2, BARS // 3 * 2 + 1, 3, 2)


def test_an_exchange_that_cant_be_reached_does_not_stop_the_others(
    liqheat, servers, counts, monkeypatch
):
    gone = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("LIQHEAT_REST_URLS", f"bybit={gone},okx={servers['okx'].url}")
    code, _, err = liqheat(*backfill("bybit", "okx"))
    assert code == 1
    assert "Failed: bybit, candles, mark-candles, open-interest, funding, tiers: " in err
    assert "can't be reached: connection refused" in err
    assert counts("okx")[0] == BARS
    code, _, _ = liqheat(*backfill("bybit"))
    assert code == 2


def test_an_unknown_symbol_is_named(liqheat):
    code, _, err = liqheat("backfill", "--exchange", "binance", "--symbol", "FOOUSDT")
    assert code == 2
    assert "binance lists no open market FOOUSDT: check how the symbol is spelled." in err


def test_what_is_not_offered_is_a_failure_only_when_named(liqheat):
    assert liqheat(*backfill("hyperliquid"))[0] == 0
    named = (*backfill("hyperliquid"), "--kinds")
    assert liqheat(*named, "candles,open-interest")[0] == 1
    assert liqheat(*named, "open-interest")[0] == 2


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--exchange", "ftx", "--exchange must be of binance, bybit, okx, hyperliquid"),
        ("--symbol", "BTC", "--symbol must be like BTCUSDT, but is 'BTC'"),
        ("--kinds", "klines", "--kinds must be of candles, mark-candles"),
        ("--interval", "1w", "--interval must be one of 1m, 3m"),
        ("--start", "2027-01-01", "--start must be before --stop and now"),
        ("--start", "yesterday", "--start must be a time like 2026-01-15"),
    ],
)
def test_what_cant_be_asked_for_is_said(liqheat, option, value, said):
    code, _, err = liqheat(*backfill("binance"), option, value)
    assert code == 2
    assert said in err
    assert "Traceback" not in err


def test_real_data_do_not_go_into_a_simulated_market(liqheat, tmp_path, servers):
    with Store.open(tmp_path / "market") as store:
        store.mark_simulated()
    code, _, err = liqheat(*backfill("binance"))
    assert code == 2
    assert "simulated market" in err
    assert servers["binance"].asked == []


def test_tiers_are_stored_anew_only_when_they_change(liqheat, servers, counts):
    tiers = (*backfill("bybit", "okx"), "--kinds", "tiers")
    liqheat(*tiers)
    # A day later the price is another, which alone changes nothing.
    for rest in servers.values():
        rest.now += timedelta(days=1)
    liqheat.now += timedelta(days=1)
    liqheat(*tiers)
    assert (counts("bybit")[4], counts("okx")[4]) == (2, 2)
    row = {"symbol": "BTCUSDT", "riskLimitValue": "10", "maxLeverage": "20"}
    changed = [row | {"maintenanceMargin": "0.03", "mmDeduction": "0"}]
    servers["bybit"].answer("risk-limit", gives(fake_rest.bybit_list(changed)))
    liqheat(*tiers)
    assert (counts("bybit")[4], counts("okx")[4]) == (3, 2)


def test_a_database_that_takes_no_more_is_a_sentence(liqheat, monkeypatch):
    def full(store, columns):
        raise StoreError("the disk is full")

    monkeypatch.setitem(_ADD, "candles", full)
    code, _, err = liqheat(*backfill("binance", "bybit"))
    assert code == 2
    assert "the disk is full" in err
    assert "defect" not in err


def test_a_symbol_that_an_exchange_cant_have_is_said(liqheat):
    code, _, err = liqheat("backfill", "--exchange", "hyperliquid", "--symbol", "BTCUSDC")
    assert code == 2
    assert "hyperliquid can have no market BTCUSDC" in err


def test_other_addresses_must_be_addresses(liqheat, monkeypatch):
    monkeypatch.setenv("LIQHEAT_REST_URLS", "bybit")
    code, _, err = liqheat(*backfill("bybit"))
    assert code == 2
    assert "exchanges and addresses separated by commas" in err


def test_a_range_that_grows_is_completed(liqheat, rows):
    liqheat(*backfill("binance"), "--stop", "2026-03-09T12:00")
    liqheat(*backfill("binance"))
    (total,) = rows("SELECT sum(open_interest) FROM open_interest")[0]
    first = int(START.timestamp()) // 300
    assert_allclose(total, sum(500 + (first + k) % 100 for k in range(BARS + 1)))
