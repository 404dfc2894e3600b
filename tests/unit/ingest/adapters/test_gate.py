"""A fifth exchange that nothing in the packages knows of."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ingest.adapters import ADAPTERS, make_adapter
from ingest.adapters.adapter import (
    Context,
    ControlAnswer,
    Liquidations,
    NotOffered,
    PayloadError,
    Rejection,
)
from ingest.records import LONG, SHORT, Liquidation, contract_sizes
from tests.gate_adapter import Gate

RECEIVED = datetime(2018, 11, 6, 12, tzinfo=UTC)
SIZES = {"BTC_USDT": Decimal("0.0001")}


@pytest.fixture
def gate():
    adapter = make_adapter("gate", adapters={**ADAPTERS, "gate": Gate})
    assert isinstance(adapter, Gate)
    return adapter


def parse(gate, message):
    context = Context(contract_sizes=SIZES, maintenance_rate=lambda _: 0.004)
    return gate.parse(json.dumps(message), RECEIVED, context)


def test_every_row_is_read_in_base_asset(gate, payload):
    found = parse(gate, payload("gate_public_liquidates")).liquidations
    assert found[0] == Liquidation(
        exchange="gate",
        symbol="BTCUSDT",
        side=SHORT,  # its size is below zero
        quantity=0.01245,  # 124.5 contracts of 0.0001
        price=215.1,
        price_kind="bankruptcy",
        trigger_price=215.1 / 1.004,
        notional=0.01245 * 215.1,
        time=datetime(2018, 11, 6, 6, 43, 21, 123_000, tzinfo=UTC),
        received=RECEIVED,
        key="gate|BTC_USDT|-124.5|215.1|1541486601123",
    )
    assert [one.quantity for one in found] == [0.01245, 0.00105]


def test_a_size_above_zero_is_a_long(gate, payload):
    message = payload("gate_public_liquidates")
    message["result"][0]["size"] = "600"
    assert parse(gate, message).liquidations[0].side == LONG


def test_a_row_of_the_other_interface_is_no_row_of_this(gate, payload):
    # It has seconds and another price: the two are never merged.
    message = payload("gate_public_liquidates") | {"result": [payload("gate_liq_orders")]}
    with pytest.raises(PayloadError, match=r"^gate: no field 'price'"):
        parse(gate, message)


def test_control_messages_hold_the_time():
    gate = Gate(clock=lambda: 1_541_505_434.9)
    assert json.loads(gate.ping.frame) == {"time": 1541505434, "channel": "futures.ping"}
    assert [json.loads(frame)["payload"] for frame in gate.subscriptions([])] == [["!all"]]
    assert parse(gate, {"channel": "futures.pong"}) == ControlAnswer("pong")
    channel = {"channel": "futures.public_liquidates"}
    assert parse(gate, channel | {"event": "subscribe"}) == ControlAnswer("acknowledgement")
    refused = channel | {"event": "subscribe", "error": {"code": 2, "message": "unknown"}}
    assert parse(gate, refused) == Rejection("unknown", "futures.public_liquidates")
    assert parse(gate, channel | {"event": "update", "result": []}) == Liquidations(())


def test_contract_sizes_come_from_the_list_of_markets(gate):
    rows = [{"name": "BTC_USDT", "quanto_multiplier": "0.0001", "in_delisting": False}]
    rows.append({"name": "OLD_USDT", "quanto_multiplier": "1", "in_delisting": True})
    assert contract_sizes(gate.read_instruments(json.dumps(rows))) == SIZES


def test_what_is_not_read_yet_is_refused_in_a_sentence(gate):
    for ask in (gate.tiers, gate.open_interest_now):
        with pytest.raises(NotOffered, match="of this exchange"):
            ask(["BTCUSDT"])
