import json
from datetime import UTC, datetime, timedelta

import pytest

from ingest.adapters.adapter import (
    Context,
    ControlAnswer,
    Ignored,
    Liquidations,
    NotOffered,
    PayloadError,
    Rejection,
)
from ingest.adapters.hyperliquid import Hyperliquid
from ingest.records import (
    LONG,
    SHORT,
    Candle,
    FundingRate,
    Instrument,
    Liquidation,
    ObservedPosition,
    OpenInterest,
    TierRow,
)

RECEIVED = datetime(2026, 6, 15, 13, tzinfo=UTC)
LIQUIDATED = "0x360878d351f05975e25f1807a27895e1e5e004fb"
OTHER = "0x0000000000000000000000000000000000000001"
HYPERLIQUID = Hyperliquid()

# Two markets as they are listed: one with tiers, one with its highest leverage only.
META = {
    "universe": [
        {"name": "BTC", "szDecimals": 5, "maxLeverage": 40, "marginTableId": 56},
        {"name": "kPEPE", "szDecimals": 0, "maxLeverage": 10, "marginTableId": 10},
        {"name": "MATIC", "szDecimals": 1, "maxLeverage": 20, "isDelisted": True},
    ],
    "marginTables": [
        [
            56,
            {
                "description": "tiered 40x",
                "marginTiers": [
                    {"lowerBound": "0.0", "maxLeverage": 40},
                    {"lowerBound": "150000000.0", "maxLeverage": 20},
                ],
            },
        ]
    ],
}


def parse(message, context=None):
    return HYPERLIQUID.parse(json.dumps(message), RECEIVED, context or Context())


def fills_of(user, *fills):
    return {"channel": "userFills", "data": {"user": user, "fills": list(fills)}}


def test_who_sold_to_a_short_was_not_the_one_liquidated(payload):
    # The fill of a maker who sold ("A"): the liquidated user bought, so its position was short.
    assert parse(payload("hyperliquid_fill_of_counterparty")) == Liquidations(
        (
            Liquidation(
                exchange="hyperliquid",
                symbol="BTCUSDT",
                side=SHORT,
                quantity=0.001,
                price=66653.0,
                price_kind="fill",
                trigger_price=66607.0,  # the mark price
                notional=0.001 * 66653.0,
                time=datetime(2026, 6, 15, 12, 54, 25, 899_000, tzinfo=UTC),
                received=RECEIVED,
                key=f"hyperliquid|BTC|1781528065899|66653.0|0.001|745210434703679|{LIQUIDATED}",
                trade_id=745210434703679,
            ),
        )
    )


@pytest.mark.parametrize(
    ("user", "order", "side"),
    [
        (LIQUIDATED, "A", LONG),
        (LIQUIDATED.upper().replace("X", "x"), "A", LONG),
        (LIQUIDATED, "B", SHORT),
        (OTHER, "A", SHORT),
        (OTHER, "B", LONG),
    ],
)
def test_a_fill_is_read_from_either_users_view(payload, user, order, side):
    fill = payload("hyperliquid_fill_of_counterparty")["data"]["fills"][0] | {"side": order}
    (found,) = parse(fills_of(user, fill)).liquidations
    assert found.side == side


def test_a_liquidated_users_own_fill_crosses_the_book(payload):
    # This channel does not tell whose fills they are.
    message = payload("hyperliquid_fill_of_counterparty")
    message["data"]["fills"][0]["crossed"] = True
    (found,) = parse(message).liquidations
    assert found.side == LONG


def test_a_fill_without_an_id_has_none(payload):
    fill = payload("hyperliquid_fill_of_counterparty")["data"]["fills"][0]
    del fill["tid"]
    (found,) = parse(fills_of(OTHER, fill)).liquidations
    assert found.trade_id is None


@pytest.mark.parametrize("tid", [-1, 2**63, 1.5, "7", True])
def test_an_id_that_is_none_is_no_good_row(payload, tid):
    fill = payload("hyperliquid_fill_of_counterparty")["data"]["fills"][0]
    with pytest.raises(PayloadError, match="'tid'") as raised:
        parse(fills_of(OTHER, fill | {"tid": tid}, fill))
    assert len(raised.value.liquidations) == 1


@pytest.mark.parametrize("user", [OTHER, "0x7ba283114573bde6fd304ad7b188a763e5402a52"])
def test_a_backstop_fill_tells_the_side_in_words(payload, user):
    fill = payload("hyperliquid_fill_backstop")
    (found,) = parse(fills_of(user, fill)).liquidations
    assert (found.symbol, found.side, found.trigger_price) == ("SOLUSDT", LONG, 68.2)
    fill["dir"] = "Liquidated Isolated Short"
    (found,) = parse(fills_of(user, fill)).liquidations
    assert found.side == SHORT


def test_trades_other_fills_and_other_builders_markets_are_no_liquidations(payload):
    fill = payload("hyperliquid_fill_of_counterparty")["data"]["fills"][0]
    del fill["liquidation"]
    assert parse(fills_of(OTHER, fill)) == Liquidations((), left_out=1)
    builders = payload("hyperliquid_fill_of_builder_market")
    assert parse(fills_of(OTHER, builders)) == Liquidations((), left_out=1)
    trades = {"channel": "trades", "data": [payload("hyperliquid_trade")]}
    assert parse(trades) == Ignored()


def test_a_line_of_the_archive_counts_each_trade_once(payload):
    # Once for each of its two users: who was liquidated bought what the other sold.
    fill = payload("hyperliquid_fill_of_counterparty")["data"]["fills"][0]
    own = fill | {"side": "B", "crossed": True, "dir": "Close Short", "oid": 1}
    plain = {name: value for name, value in fill.items() if name != "liquidation"}
    block = {
        "local_time": "2026-06-15T12:54:26.1",
        "block_time": "2026-06-15T12:54:25.899",
        "block_number": 1,
        "events": [[OTHER, fill], [LIQUIDATED, own], [OTHER, plain | {"tid": 2}]],
    }
    found = HYPERLIQUID.read_node_fills(json.dumps(block), RECEIVED, Context())
    assert [(one.side, one.quantity) for one in found.liquidations] == [(SHORT, 0.001)]
    assert found.left_out == 2


def test_a_line_of_the_older_archive_is_one_fill(payload):
    fill = payload("hyperliquid_fill_of_counterparty")["data"]["fills"][0]
    line = json.dumps([OTHER, fill])
    (found,) = HYPERLIQUID.read_node_fills(line, RECEIVED, Context()).liquidations
    assert found.side == SHORT


@pytest.mark.parametrize("line", ["", "[]", '["0x1"]', '{"events": [1]}', "1"])
def test_a_damaged_line_of_the_archive_is_told(line):
    with pytest.raises(PayloadError, match=r"^hyperliquid: "):
        HYPERLIQUID.read_node_fills(line, RECEIVED, Context())


def test_users_that_are_named_are_subscribed_to():
    adapter = Hyperliquid(users=[LIQUIDATED.upper().replace("X", "x"), OTHER, LIQUIDATED])
    assert "liquidations" not in adapter.unavailable
    assert adapter.topics(["BTCUSDT"]) == [f"userFills:{LIQUIDATED}", f"userFills:{OTHER}"]
    assert [json.loads(frame) for frame in adapter.subscriptions(["BTCUSDT"])] == [
        {"method": "subscribe", "subscription": {"type": "userFills", "user": user}}
        for user in (LIQUIDATED, OTHER)
    ]
    assert adapter.users_note == ""


def test_no_more_users_are_subscribed_to_than_are_sent_and_it_is_said():
    users = [f"0x{number:040x}" for number in range(12)]
    adapter = Hyperliquid(users=users)
    assert len(adapter.subscriptions(["BTCUSDT"])) == len(adapter.topics(["BTCUSDT"])) == 10
    assert adapter.users == tuple(users)
    assert "12 users are named, but" in adapter.users_note
    assert "the first 10" in adapter.users_note


def test_what_comes_with_a_subscription_is_a_snapshot(payload):
    message = payload("hyperliquid_fill_of_counterparty")
    assert not parse(message).snapshot
    message["data"]["isSnapshot"] = True
    found = parse(message)
    assert found.snapshot
    assert len(found.liquidations) == 1


def test_there_is_no_stream_of_all_liquidations():
    assert HYPERLIQUID.users_note == ""
    with pytest.raises(NotOffered, match="no stream of all liquidations"):
        HYPERLIQUID.subscriptions(["BTCUSDT"])
    assert "no stream" in HYPERLIQUID.unavailable["liquidations"]


def test_control_messages():
    assert parse({"channel": "pong"}) == ControlAnswer("pong")
    assert parse({"channel": "subscriptionResponse", "data": {}}) == ControlAnswer(
        "acknowledgement"
    )
    assert parse({"channel": "error", "data": "Invalid subscription"}) == Rejection(
        "Invalid subscription"
    )
    assert parse({"channel": "user", "data": {"funding": {}}}) == Ignored()
    assert HYPERLIQUID.ping.every < 60  # it closes what is silent for so long


def test_candles_are_asked_for_and_read():
    start, hour = datetime(2026, 1, 1, tzinfo=UTC), timedelta(hours=1)
    first, second = HYPERLIQUID.candles("BTCUSDT", hour, start, start + 1501 * hour)
    begin = 1_767_225_600_000
    assert (first.method, first.path, first.weight) == ("POST", "/info", 20 + 25)
    assert first.json == {
        "type": "candleSnapshot",
        "req": {
            "coin": "BTC",
            "interval": "1h",
            "startTime": begin,
            "endTime": begin + 1500 * 3_600_000 - 1,
        },
    }
    assert second.json["req"]["startTime"] == begin + 1500 * 3_600_000
    row = {"t": begin, "T": begin + 3_599_999, "s": "BTC", "i": "1h", "n": 3}
    row |= {"o": "1", "h": "3", "l": "0.5", "c": "2", "v": "8"}
    assert HYPERLIQUID.read_candles(json.dumps([row]), "BTCUSDT", hour) == [
        Candle(
            exchange="hyperliquid",
            symbol="BTCUSDT",
            interval_seconds=3600,
            open_time=start,
            open=1.0,
            high=3.0,
            low=0.5,
            close=2.0,
            volume=8.0,
        )
    ]


def test_candles_go_back_for_five_thousand_intervals():
    limit = HYPERLIQUID.history["candles"]
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert limit.oldest(now, timedelta(hours=1)) == now - timedelta(hours=5000)
    assert limit.oldest(now) is None


def test_open_interest_belongs_to_the_market_in_the_same_place(payload):
    state = payload("hyperliquid_asset_ctx")
    states = [state, state | {"openInterest": "5.0", "markPx": None}, state]
    text = json.dumps([META, states])
    assert HYPERLIQUID.read_open_interest_now(text, RECEIVED) == [
        OpenInterest(
            exchange="hyperliquid",
            symbol="BTCUSDT",
            time=RECEIVED,
            open_interest=27353.17682,
            notional=27353.17682 * 77562.0,
        ),
        OpenInterest(
            exchange="hyperliquid", symbol="1000PEPEUSDT", time=RECEIVED, open_interest=5.0
        ),
    ]


def test_open_interest_of_the_past_is_not_offered():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(NotOffered, match="at this moment only"):
        HYPERLIQUID.open_interest_history("BTCUSDT", timedelta(hours=1), start, RECEIVED)


def test_funding_was_of_eight_hours_and_is_of_one():
    rows = [
        {"coin": "BTC", "fundingRate": "0.0001", "premium": "0", "time": 1_686_096_000_000},
        {"coin": "BTC", "fundingRate": "0.0000125", "premium": "0", "time": 1_767_225_600_005},
    ]
    first, second = HYPERLIQUID.read_funding(json.dumps(rows), "BTCUSDT")
    assert first.interval_hours == 8.0
    assert second == FundingRate(
        exchange="hyperliquid",
        symbol="BTCUSDT",
        time=datetime(2026, 1, 1, 0, 0, 0, 5_000, tzinfo=UTC),
        funding_rate=0.0000125,
        interval_hours=1.0,
    )
    start = datetime(2026, 1, 1, tzinfo=UTC)
    requests = HYPERLIQUID.funding("BTCUSDT", start, start + timedelta(hours=501))
    assert [request.weight for request in requests] == [45, 20]


def test_maintenance_is_half_of_what_the_highest_leverage_opens_with():
    btc, pepe = HYPERLIQUID.read_tiers(json.dumps(META), RECEIVED, Context())
    assert btc.rows == (
        TierRow(floor=0.0, cap=150e6, max_leverage=40.0, maintenance_rate=0.0125),
        # 150,000,000 × (2.5 % - 1.25 %)
        TierRow(
            floor=150e6,
            cap=float("inf"),
            max_leverage=20.0,
            maintenance_rate=0.025,
            deduction=1_875_000.0,
        ),
    )
    assert [(row.cap, row.maintenance_rate) for row in pepe.rows] == [(float("inf"), 0.05)]


def test_markets_that_are_open_are_listed():
    assert HYPERLIQUID.read_instruments(json.dumps(META)) == [
        Instrument(
            exchange="hyperliquid",
            symbol=symbol,
            native=native,
            contract_size=1,
            max_leverage=leverage,
        )
        for symbol, native, leverage in [("BTCUSDT", "BTC", 40.0), ("1000PEPEUSDT", "kPEPE", 10.0)]
    ]


def test_positions_are_observed_with_their_real_liquidation_prices():
    (request,) = HYPERLIQUID.positions([OTHER])
    assert (request.json, request.weight) == ({"type": "clearinghouseState", "user": OTHER}, 2)
    position = {
        "coin": "BTC",
        "szi": "-0.5",
        "leverage": {"type": "isolated", "value": 20, "rawUsd": "1"},
        "entryPx": "60000.0",
        "liquidationPx": "62222.2",
        "marginUsed": "1500.0",
    }
    cross = position | {
        "coin": "ETH",
        "szi": "2",
        "leverage": {"type": "cross", "value": 5},
        "liquidationPx": None,
    }
    rows = [{"type": "oneWay", "position": p} for p in (position, cross, cross | {"szi": "0.0"})]
    state = {"assetPositions": rows, "time": 1_767_225_600_000}
    short, long = HYPERLIQUID.read_positions(json.dumps(state), OTHER)
    assert short == ObservedPosition(
        exchange="hyperliquid",
        symbol="BTCUSDT",
        user=OTHER,
        side=SHORT,
        quantity=0.5,
        entry_price=60000.0,
        leverage=20.0,
        isolated=True,
        liquidation_price=62222.2,
        margin=1500.0,
        time=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert (long.side, long.isolated, long.liquidation_price) == (LONG, False, None)
