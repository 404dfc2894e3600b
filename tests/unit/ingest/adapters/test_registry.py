import json
from datetime import UTC, datetime, timedelta

import pytest

from ingest.adapters import ADAPTERS, make_adapter
from ingest.adapters.adapter import HistoryLimit, NotOffered, PayloadError

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
EXCHANGES = pytest.mark.parametrize("exchange", ADAPTERS)


def requests(adapter, kind):
    """Ask for a kind of data, of one symbol and a week where it takes any."""
    stop = START + 168 * HOUR
    arguments = {
        "candles": ("BTCUSDT", HOUR, START, stop),
        "mark_candles": ("BTCUSDT", HOUR, START, stop),
        "open_interest_now": (["BTCUSDT"],),
        "open_interest_history": ("BTCUSDT", HOUR, START, stop),
        "funding": ("BTCUSDT", START, stop),
        "tiers": (["BTCUSDT"],),
        "instruments": (),
    }
    return getattr(adapter, kind)(*arguments[kind])


KINDS = (
    "candles",
    "mark_candles",
    "open_interest_now",
    "open_interest_history",
    "funding",
    "tiers",
    "instruments",
)


@EXCHANGES
def test_addresses_can_be_others(exchange):
    adapter = make_adapter(exchange, stream_url="ws://127.0.0.1:1", rest_url="http://127.0.0.1:2")
    assert (adapter.stream_url, adapter.rest_url) == ("ws://127.0.0.1:1", "http://127.0.0.1:2")
    own = make_adapter(exchange, stream_url="ws://127.0.0.1:1")
    assert own.rest_url.startswith("https://")
    assert make_adapter(exchange).stream_url.startswith("wss://")


def test_an_unknown_exchange_names_the_known_ones():
    with pytest.raises(
        ValueError, match="one of binance, bybit, okx, hyperliquid, but is 'bitmex'"
    ):
        make_adapter("bitmex")


@EXCHANGES
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_offered_says_so_and_what_is_counts_against_a_known_limit(exchange, kind):
    adapter = make_adapter(exchange)
    if kind in adapter.unavailable:
        with pytest.raises(NotOffered) as refusal:
            requests(adapter, kind)
        assert str(refusal.value) == adapter.unavailable[kind]
        return
    for request in requests(adapter, kind):
        assert request.path.startswith("/")
        assert 0 < request.weight <= adapter.rate_limits[request.limit].weight


@EXCHANGES
def test_limits_are_told_in_sentences(exchange):
    adapter = make_adapter(exchange)
    sentences = [limit.sentence for limit in adapter.history.values()]
    for sentence in [*sentences, *adapter.unavailable.values()]:
        assert sentence[0].isupper()
        assert sentence.endswith(".")


@EXCHANGES
def test_a_connection_is_asked_often_enough_to_be_known_as_dead_in_time(exchange):
    adapter = make_adapter(exchange)
    question = adapter.liveness or adapter.ping
    # Two questions must be missed before an answer can be called missing.
    assert 2 * question.every < adapter.silence


@EXCHANGES
def test_a_range_without_length_needs_no_request(exchange):
    adapter = make_adapter(exchange)
    assert adapter.candles("BTCUSDT", HOUR, START, START) == []


@EXCHANGES
def test_a_time_without_zone_is_refused(exchange):
    with pytest.raises(ValueError, match="must tell their zone"):
        make_adapter(exchange).candles("BTCUSDT", HOUR, START.replace(tzinfo=None), START + HOUR)


@EXCHANGES
def test_a_symbol_that_can_not_be_is_refused(exchange):
    with pytest.raises(ValueError, match=f"{exchange} can have no 'BTC/EUR'"):
        make_adapter(exchange).candles("BTC/EUR", HOUR, START, START + HOUR)


@pytest.mark.parametrize(
    ("exchange", "symbol", "native"),
    [
        ("binance", "BTCUSDT", "BTCUSDT"),
        ("binance", "1000PEPEUSDT", "1000PEPEUSDT"),
        ("bybit", "BTCUSDT", "BTCUSDT"),
        ("bybit", "BTCUSDC", "BTCPERP"),
        ("okx", "BTCUSDT", "BTC-USDT-SWAP"),
        ("okx", "ETHUSDC", "ETH-USDC-SWAP"),
        ("hyperliquid", "BTCUSDT", "BTC"),
        ("hyperliquid", "1000PEPEUSDT", "kPEPE"),
        ("hyperliquid", "1000USDT", "1000"),
    ],
)
def test_symbols_are_translated_both_ways(exchange, symbol, native):
    adapter = make_adapter(exchange)
    assert adapter.native(symbol) == native
    assert adapter.symbol(native) == symbol


@pytest.mark.parametrize(
    ("exchange", "native"),
    [
        ("binance", "BTCUSD_PERP"),
        ("binance", "BTCUSDT_260327"),
        ("binance", "USDT"),
        ("bybit", "BTCUSD"),
        ("bybit", "BTC-27MAR26"),
        ("bybit", "BTCUSDC"),  # of spot; its perpetual is BTCPERP
        ("okx", "BTC-USD-SWAP"),
        ("okx", "BTC-USDT-260327"),
        ("okx", "BTC-USDT"),
        ("hyperliquid", "xyz:CRWV"),
        ("hyperliquid", "PURR/USDC"),
        ("hyperliquid", "@107"),
        ("hyperliquid", "1000PEPE"),
        ("hyperliquid", "k"),
    ],
)
def test_what_is_no_market_of_ours_has_no_symbol(exchange, native):
    assert make_adapter(exchange).symbol(native) is None


@pytest.mark.parametrize("exchange", ["okx", "hyperliquid", "bybit", "binance"])
@pytest.mark.parametrize("symbol", ["", "USDT", "BTC", "BTCUSD", "btcusdt", "BTC-USDT"])
def test_what_is_no_symbol_of_ours_has_no_translation(exchange, symbol):
    assert make_adapter(exchange).native(symbol) is None


def test_the_shorter_of_two_limits_of_history_holds():
    now = datetime(2026, 1, 31, tzinfo=UTC)
    limit = HistoryLimit("x", longest=timedelta(days=30), bars=100)
    assert limit.oldest(now, HOUR) == now - 100 * HOUR
    assert limit.oldest(now, timedelta(days=1)) == now - timedelta(days=30)
    assert HistoryLimit("x").oldest(now, HOUR) is None


def test_an_error_shows_a_long_payload_in_part_and_without_control_characters():
    error = PayloadError("okx", "no field 'x'", json.dumps({"a": "b" * 900}) + "\x1b[2J")
    assert len(str(error)) < 600
    assert str(error).endswith("…")
    assert len(error.payload) > 900
    assert "\x1b" not in str(PayloadError("okx", "no field 'x'", "\x1b[2J"))
