"""Whatever comes over the wire, an adapter says something of it or raises ``PayloadError``."""

import json
import math
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.adapters import ADAPTERS, make_adapter
from ingest.adapters.adapter import (
    Context,
    ControlAnswer,
    Ignored,
    Liquidations,
    NotOffered,
    PayloadError,
    Rejection,
)
from ingest.adapters.fields import millis, pages
from tests.gate_adapter import Gate

RECEIVED = datetime(2026, 10, 8, tzinfo=UTC)
ALL = {**ADAPTERS, "gate": Gate}
PAYLOADS = [
    (path.name.split("_")[0], json.loads(path.read_text(encoding="utf-8")))
    for path in sorted((Path(__file__).parents[1] / "payloads").glob("*.json"))
    if path.name.split("_")[0] in ALL
]
CONTEXT = Context(
    contract_sizes={
        "CNPY-USDT-SWAP": Decimal(10),
        "IOST-USDT-SWAP": Decimal(1000),
        "BTC-USDT-SWAP": Decimal("0.01"),
        "BTC_USDT": Decimal("0.0001"),
    },
    maintenance_rate=lambda _: 0.004,
)
READERS = {
    "read_candles": ("BTCUSDT", timedelta(minutes=1)),
    "read_mark_candles": ("BTCUSDT", timedelta(minutes=1)),
    "read_open_interest_now": (RECEIVED,),
    "read_open_interest_history": ("BTCUSDT",),
    "read_funding": ("BTCUSDT",),
    "read_tiers": (RECEIVED, CONTEXT),
    "read_instruments": (),
}

TIME = "1767225600000"


def bybit(*rows):
    return {"retCode": 0, "result": {"list": list(rows)}, "time": int(TIME)}


def okx(*rows):
    return {"code": "0", "data": list(rows)}


BAR = [TIME, "1", "3", "1", "2", "8", "16", "16", "1"]
META = {
    "universe": [{"name": "BTC", "maxLeverage": 40, "marginTableId": 56}],
    "marginTables": [[56, {"marginTiers": [{"lowerBound": "0.0", "maxLeverage": 40}]}]],
}
ANSWERS = [
    (("binance", "read_candles"), [[int(TIME), *BAR[1:7], 3, "7", "14"]]),
    (
        ("binance", "read_open_interest_now"),
        {"symbol": "BTCUSDT", "openInterest": "1", "time": int(TIME)},
    ),
    (
        ("binance", "read_open_interest_history"),
        [{"sumOpenInterest": "1", "sumOpenInterestValue": "2", "timestamp": TIME}],
    ),
    (("binance", "read_funding"), [{"fundingTime": int(TIME), "fundingRate": "0.0001"}]),
    (
        ("binance", "read_instruments"),
        {"symbols": [{"symbol": "A1USDT", "contractType": "PERPETUAL", "status": "TRADING"}]},
    ),
    (
        ("binance", "read_tiers"),
        [
            {
                "symbol": "BTCUSDT",
                "brackets": [
                    {
                        "initialLeverage": 150,
                        "notionalFloor": 0,
                        "notionalCap": 300000,
                        "maintMarginRatio": 0.004,
                        "cum": 0.0,
                    }
                ],
            }
        ],
    ),
    (("binance", "read_mark_candles"), [[int(TIME), *BAR[1:7]]]),
    (("bybit", "read_mark_candles"), bybit(BAR[:5])),
    (("okx", "read_mark_candles"), okx([*BAR[:5], "1"])),
    (("bybit", "read_candles"), bybit(BAR[:7])),
    (
        ("bybit", "read_open_interest_now"),
        bybit({"symbol": "BTCUSDT", "openInterest": "2", "openInterestValue": "4"}),
    ),
    (
        ("bybit", "read_open_interest_history"),
        bybit({"openInterest": "2", "singleOpenInterest": "1", "timestamp": TIME}),
    ),
    (("bybit", "read_funding"), bybit({"fundingRateTimestamp": TIME, "fundingRate": "0.0001"})),
    (
        ("bybit", "read_tiers"),
        bybit(
            {
                "symbol": "BTCUSDT",
                "riskLimitValue": "2000000",
                "maintenanceMargin": "0.5",
                "maxLeverage": "100.00",
                "mmDeduction": "",
            }
        ),
    ),
    (
        ("bybit", "read_instruments"),
        bybit(
            {
                "symbol": "BTCUSDT",
                "contractType": "LinearPerpetual",
                "status": "Trading",
                "leverageFilter": {"maxLeverage": "100.00"},
            }
        ),
    ),
    (("okx", "read_candles"), okx(BAR)),
    (
        ("okx", "read_open_interest_now"),
        okx({"instId": "BTC-USDT-SWAP", "oiCcy": "1", "oiUsd": "2", "ts": TIME}),
    ),
    (("okx", "read_open_interest_history"), okx([TIME, "100", "1", "2"])),
    (
        ("okx", "read_funding"),
        okx({"fundingTime": TIME, "fundingRate": "0.1", "realizedRate": "0.1"}),
    ),
    (
        ("okx", "read_tiers"),
        okx({"instFamily": "BTC-USDT", "maxSz": "1000", "maxLever": "100", "mmr": "0.004"}),
    ),
    (
        ("okx", "read_instruments"),
        okx(
            {
                "instId": "BTC-USDT-SWAP",
                "ctVal": "0.01",
                "ctMult": "1",
                "ctType": "linear",
                "state": "live",
                "lever": "100",
            }
        ),
    ),
    (
        ("hyperliquid", "read_candles"),
        [{"t": int(TIME), "o": "1", "h": "3", "l": "1", "c": "2", "v": "8"}],
    ),
    (
        ("hyperliquid", "read_open_interest_now"),
        [META, [{"openInterest": "1", "markPx": "2"}]],
    ),
    (("hyperliquid", "read_funding"), [{"time": int(TIME), "fundingRate": "0.0001"}]),
    (("hyperliquid", "read_tiers"), META),
    (("hyperliquid", "read_instruments"), META),
]

exchanges = st.sampled_from(sorted(ALL))
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=12)
    | st.sampled_from(
        ["", "0", "-1", "NaN", "Infinity", "1e999", "9" * 60, "1_0", "٣", "net", "0x"]
    )
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(message, at=()):
    """Return the path of every value in a message."""
    yield at
    inner = enumerate(message) if isinstance(message, list) else ()
    inner = message.items() if isinstance(message, dict) else inner
    for key, value in inner:
        yield from places(value, (*at, key))


@st.composite
def damaged(draw, messages):
    """Draw one of the messages, and whose it is, with a few values changed or gone."""
    exchange, message = deepcopy(draw(st.sampled_from(messages)))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(sorted(places(message), key=str)))
        if not place:
            return exchange, draw(values)
        parent = message
        for key in place[:-1]:
            parent = parent[key]
        if draw(st.booleans()):
            parent[place[-1]] = draw(values)
        else:
            del parent[place[-1]]
    return exchange, message


def check(exchange, text):
    """Parse a text, and check that what comes out is sound."""
    adapter = make_adapter(exchange, adapters=ALL)
    try:
        message = adapter.parse(text, RECEIVED, CONTEXT)
    except PayloadError as e:
        message = e
    if isinstance(message, PayloadError):
        assert message.exchange == exchange
        assert str(message).startswith(f"{exchange}: ")
        found = message.liquidations
    else:
        assert isinstance(message, Liquidations | ControlAnswer | Rejection | Ignored)
        found = message.liquidations if isinstance(message, Liquidations) else ()
    for one in found:
        numbers = (one.quantity, one.price, one.notional, one.trigger_price)
        assert all(isinstance(number, float) and math.isfinite(number) for number in numbers)
        assert one.side in (1, -1)
        assert one.quantity > 0.0
        assert one.price > 0.0
        assert one.time.utcoffset() == timedelta(0)
        assert one.symbol == one.symbol.upper()


@pytest.mark.parametrize(("exchange", "message"), PAYLOADS)
def test_real_messages_are_sound(exchange, message):
    check(exchange, json.dumps(message))


@given(damaged(PAYLOADS))
def test_damaged_messages_raise_nothing_but_payload_errors(case):
    exchange, message = case
    check(exchange, json.dumps(message))


@given(exchanges, st.sampled_from(PAYLOADS), st.data())
def test_cut_off_and_foreign_messages_raise_nothing_but_payload_errors(exchange, payload, data):
    text = json.dumps(payload[1])
    check(exchange, text[: data.draw(st.integers(0, len(text)))])


@given(exchanges, st.text() | st.binary() | values.map(json.dumps))
@example("okx", "\ud800")
@example("okx", "[" * 5000)
@example("binance", b"\xff")
@example("binance", "NaN")
def test_garbage_raises_nothing_but_payload_errors(exchange, text):
    check(exchange, text)


@given(st.sampled_from(sorted(READERS)), exchanges, values, st.booleans())
def test_readers_of_answers_raise_nothing_but_payload_errors(reader, exchange, value, wrapped):
    if wrapped:  # in what the exchanges put around their rows
        rows = value if isinstance(value, list) else [value]
        value = {"retCode": 0, "code": "0", "data": rows, "time": 1_767_225_600_000}
        value |= {"result": {"list": rows}, "symbols": rows, "universe": rows, "marginTables": rows}
    adapter = make_adapter(exchange, adapters=ALL)
    with suppress(PayloadError, NotOffered):
        getattr(adapter, reader)(json.dumps(value), *READERS[reader])


@given(damaged(ANSWERS))
def test_readers_of_damaged_answers_raise_nothing_but_payload_errors(case):
    (exchange, reader), answer = case
    adapter = make_adapter(exchange, adapters=ALL)
    with suppress(PayloadError):
        getattr(adapter, reader)(json.dumps(answer), *READERS[reader])


@pytest.mark.parametrize(("case", "answer"), ANSWERS)
def test_sound_answers_are_read(case, answer):
    exchange, reader = case
    adapter = make_adapter(exchange, adapters=ALL)
    assert len(getattr(adapter, reader)(json.dumps(answer), *READERS[reader])) == 1


bases = st.from_regex(r"[A-Z0-9]{1,10}", fullmatch=True)


@given(exchanges, bases, st.sampled_from(["USDT", "USDC"]))
def test_our_symbols_come_back(exchange, base, quote):
    adapter = make_adapter(exchange, adapters=ALL)
    native = adapter.native(base + quote)
    if native is not None:
        assert adapter.symbol(native) == base + quote


@given(
    exchanges,
    bases | st.text(max_size=10),
    st.sampled_from(["", "USDT", "USDC", "PERP", "-USDT-SWAP", "_USDT", "USD_PERP"]),
)
@example("hyperliquid", "1000PEPE", "")
@example("hyperliquid", "k1000", "")
def test_the_exchanges_symbols_come_back(exchange, base, ending):
    adapter = make_adapter(exchange, adapters=ALL)
    symbol = adapter.symbol(base + ending)
    if symbol is not None:
        assert adapter.native(symbol) == base + ending


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(0, 10**9),
    st.integers(1, 10**6),
    st.integers(1, 2000),
)
def test_pages_cover_a_range_once(start, length, step, rows):
    start = start.replace(microsecond=0)
    length = min(length, 50 * step * rows)
    stop, width = start + timedelta(milliseconds=length), timedelta(milliseconds=step)
    first = millis(start)
    for page, last, most in pages(start, stop, width, rows):
        assert page == first
        assert 1 <= most <= rows
        # Not more rows than asked for fit between the two.
        assert (last - page) // step + 1 <= most
        first = last + 1
    assert first == millis(stop)
