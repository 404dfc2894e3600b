import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ingest.adapters.adapter import (
    Context,
    ControlAnswer,
    Ignored,
    Liquidations,
    PayloadError,
    Refused,
    Rejection,
)
from ingest.adapters.okx import Okx
from ingest.records import (
    LONG,
    SHORT,
    Candle,
    FundingRate,
    Instrument,
    Liquidation,
    OpenInterest,
    TierRow,
    contract_sizes,
)

RECEIVED = datetime(2026, 9, 17, 18, 35, tzinfo=UTC)
OKX = Okx()
SIZES = {"CNPY-USDT-SWAP": Decimal(10), "BTC-USDT-SWAP": Decimal("0.01")}


def parse(message, **context):
    text = message if isinstance(message, str) else json.dumps(message)
    return OKX.parse(text, RECEIVED, Context(contract_sizes=SIZES, **context))


def answer(rows):
    return json.dumps({"code": "0", "msg": "", "data": rows})


def test_contracts_become_base_asset(payload):
    found = parse(payload("okx_liquidation_orders"), maintenance_rate={"CNPYUSDT": 0.02}.get)
    assert found == Liquidations(
        (
            Liquidation(
                exchange="okx",
                symbol="CNPYUSDT",
                side=SHORT,
                quantity=21370.0,  # 2137 contracts of 10
                price=0.4162,
                price_kind="bankruptcy",
                trigger_price=0.4162 / 1.02,
                notional=21370.0 * 0.4162,
                time=datetime(2026, 9, 17, 18, 31, 38, 955_000, tzinfo=UTC),
                received=RECEIVED,
                key="okx|CNPY-USDT-SWAP|1789669898955|buy|2137|0.4162",
            ),
        )
    )


def test_contract_sizes_are_multiplied_exactly(payload):
    message = payload("okx_liquidation_orders")
    message["data"][0] |= {"instId": "BTC-USDT-SWAP"}
    message["data"][0]["details"][0]["sz"] = "3"
    (found,) = parse(message).liquidations
    assert found.quantity == 0.03  # and not 0.03 + 4e-18


def test_a_market_of_unknown_contract_size_is_an_error_that_says_what_to_do(payload):
    with pytest.raises(PayloadError, match=r"size of IOST-USDT-SWAP is known: read the list of"):
        parse(payload("okx_liquidation_orders_doc"))


def test_a_market_that_is_not_wanted_needs_no_contract_size(payload):
    found = parse(payload("okx_liquidation_orders_doc"), symbols=frozenset({"BTCUSDT"}))
    assert found == Liquidations((), left_out=1)


def test_inverse_and_dated_contracts_are_left_out(payload):
    assert parse(payload("okx_liquidation_orders_inverse")) == Liquidations((), left_out=1)


def test_every_detail_of_every_market_counts(payload):
    message = payload("okx_liquidation_orders")
    (market,) = message["data"]
    (row,) = market["details"]
    market["details"] = [row, row | {"sz": "5"}]
    message["data"].append(market | {"instId": "BTC-USDT-SWAP", "details": [row | {"sz": "7"}]})
    found = parse(message).liquidations
    assert [(one.symbol, one.quantity) for one in found] == [
        ("CNPYUSDT", 21370.0),
        ("CNPYUSDT", 50.0),
        ("BTCUSDT", 0.07),
    ]


@pytest.mark.parametrize(
    ("position", "order", "side"),
    [("long", "sell", LONG), ("short", "buy", SHORT), ("net", "sell", LONG), ("net", "buy", SHORT)],
)
def test_in_net_mode_the_order_tells_the_side(payload, position, order, side):
    message = payload("okx_liquidation_orders")
    message["data"][0]["details"][0] |= {"posSide": position, "side": order}
    (found,) = parse(message).liquidations
    assert found.side == side


def test_control_messages():
    assert parse("pong") == ControlAnswer("pong")
    assert OKX.parse(b"pong", RECEIVED, Context()) == ControlAnswer("pong")
    assert OKX.ping.frame == "ping"
    assert OKX.ping.every < 30  # OKX closes what is silent for so long
    argument = {"channel": "liquidation-orders", "instType": "SWAP"}
    (frame,) = OKX.subscriptions(["BTCUSDT"])
    assert json.loads(frame) == {"op": "subscribe", "args": [argument]}
    assert parse({"event": "subscribe", "arg": argument}) == ControlAnswer("acknowledgement")
    assert parse({"event": "error", "code": "60012", "msg": "Invalid request"}) == Rejection(
        "Invalid request"
    )
    assert parse({"arg": {"channel": "tickers"}, "data": []}) == Ignored()


def test_long_candles_are_asked_for_in_utc():
    start = datetime(2026, 1, 1, tzinfo=UTC)

    def bar(hours):
        step = timedelta(hours=hours)
        return OKX.candles("BTCUSDT", step, start, start + step)[0].params["bar"]

    assert [bar(hours) for hours in (1, 4, 6, 12, 24)] == ["1H", "4H", "6Hutc", "12Hutc", "1Dutc"]


def test_candle_pages_touch_without_overlap():
    start, minute = datetime(2026, 1, 1, tzinfo=UTC), timedelta(minutes=1)
    first, second = OKX.candles("BTCUSDT", minute, start, start + 301 * minute)
    begin = 1_767_225_600_000
    # Both ends are exclusive: later than "before", earlier than "after".
    assert first.params == {
        "instId": "BTC-USDT-SWAP",
        "bar": "1m",
        "before": begin - 1,
        "after": begin + 300 * 60_000,
        "limit": 300,
    }
    assert (second.params["before"], second.params["limit"]) == (begin + 300 * 60_000 - 1, 1)


def test_candles_are_read_in_base_asset_and_only_if_closed():
    rows = [
        ["1767225660000", "2", "3", "1", "2", "900", "9", "18", "0"],
        ["1767225600000", "1", "3", "0.5", "2", "800", "8", "16", "1"],
    ]
    assert OKX.read_candles(answer(rows), "BTCUSDT", timedelta(minutes=1)) == [
        Candle(
            exchange="okx",
            symbol="BTCUSDT",
            interval_seconds=60,
            open_time=datetime(2026, 1, 1, tzinfo=UTC),
            open=1.0,
            high=3.0,
            low=0.5,
            close=2.0,
            volume=8.0,  # "volCcy"; 800 contracts
            quote_volume=16.0,
        )
    ]


def test_candles_of_the_mark_price_come_a_hundred_at_a_time_and_only_if_closed():
    start, minute = datetime(2026, 1, 1, tzinfo=UTC), timedelta(minutes=1)
    requests = OKX.mark_candles("BTCUSDT", minute, start, start + 101 * minute)
    assert [request.params["limit"] for request in requests] == [100, 1]
    assert requests[0].path == "/api/v5/market/history-mark-price-candles"
    rows = [
        ["1767225660000", "2", "3", "1", "2", "0"],
        ["1767225600000", "1", "3", "0.5", "2", "1"],
    ]
    (candle,) = OKX.read_mark_candles(answer(rows), "BTCUSDT", minute)
    assert (candle.open_time, candle.low) == (start, 0.5)


def test_open_interest_is_in_base_asset(payload):
    row = payload("okx_open_interest_history")
    expected = OpenInterest(
        exchange="okx",
        symbol="BTCUSDT",
        time=datetime(2023, 12, 1, 8, tzinfo=UTC),
        open_interest=111.0,  # not 731,377 contracts
        notional=8888888.0,
    )
    assert OKX.read_open_interest_history(answer([row]), "BTCUSDT") == [expected]
    now = dict(zip(("ts", "oi", "oiCcy", "oiUsd"), row, strict=True))
    rows = [now | {"instId": "BTC-USDT-SWAP"}, now | {"instId": "BTC-USD-SWAP"}]
    assert OKX.read_open_interest_now(answer(rows), RECEIVED) == [expected]


def test_open_interest_goes_back_for_1440_intervals():
    limit = OKX.history["open_interest_history"]
    now = datetime(2026, 3, 31, tzinfo=UTC)
    assert limit.oldest(now, timedelta(minutes=5)) == datetime(2026, 3, 26, tzinfo=UTC)
    assert limit.oldest(now, timedelta(hours=1)) == datetime(2026, 1, 30, tzinfo=UTC)


def test_what_was_paid_is_the_funding_rate():
    row = {"instId": "BTC-USDT-SWAP", "fundingTime": "1767225600000", "fundingRate": "0.0002"}
    rows = [row | {"realizedRate": "0.0001"}, row | {"fundingTime": "1767196800000"}]
    rates = OKX.read_funding(answer(rows), "BTCUSDT")
    assert rates == [
        FundingRate(
            exchange="okx",
            symbol="BTCUSDT",
            time=datetime(2026, 1, 1, tzinfo=UTC) - timedelta(hours=hours),
            funding_rate=rate,
        )
        for hours, rate in [(8, 0.0002), (0, 0.0001)]
    ]


def test_tiers_are_read_in_base_asset():
    row = {"instFamily": "BTC-USDT", "tier": "1", "imr": "0.01"}
    rows = [
        row | {"minSz": "1001", "maxSz": "4000", "mmr": "0.005", "maxLever": "80"},
        row | {"minSz": "0", "maxSz": "1000", "mmr": "0.004", "maxLever": "100"},
    ]
    (tiers,) = OKX.read_tiers(answer(rows), RECEIVED, Context(contract_sizes=SIZES))
    assert tiers.unit == "base"
    assert tiers.rows == (  # 1000 contracts of 0.01 BTC
        TierRow(floor=0.0, cap=10.0, max_leverage=100.0, maintenance_rate=0.004),
        TierRow(floor=10.0, cap=40.0, max_leverage=80.0, maintenance_rate=0.005),
    )
    in_quote = tiers.in_quote(60_000.0)
    assert [(tier.floor, tier.cap) for tier in in_quote.rows] == [(0.0, 6e5), (6e5, 2.4e6)]
    assert in_quote.in_quote(1.0) == in_quote


def test_tiers_are_asked_for_five_markets_at_a_time():
    symbols = [f"{base}USDT" for base in "ABCDEF"]
    families = [request.params["instFamily"] for request in OKX.tiers(symbols)]
    assert families == ["A-USDT,B-USDT,C-USDT,D-USDT,E-USDT", "F-USDT"]


def test_contract_sizes_come_from_the_list_of_swaps():
    row = {"ctType": "linear", "state": "live", "ctVal": "0.01", "ctMult": "1", "lever": "100"}
    rows = [
        row | {"instId": "BTC-USDT-SWAP"},
        row | {"instId": "PEPE-USDT-SWAP", "ctVal": "1000000", "ctMult": "10", "lever": ""},
        row | {"instId": "BTC-USD-SWAP", "ctType": "inverse", "ctVal": "100"},
        row | {"instId": "OLD-USDT-SWAP", "state": "suspend"},
        dict.fromkeys(row, "") | {"instId": "LISTING-SWAP-NEW-USDT-SWAP", "state": "preopen"},
    ]
    instruments = OKX.read_instruments(answer(rows))
    assert instruments[0] == Instrument(
        exchange="okx",
        symbol="BTCUSDT",
        native="BTC-USDT-SWAP",
        contract_size=Decimal("0.01"),
        max_leverage=100.0,
    )
    assert contract_sizes(instruments) == {
        "BTC-USDT-SWAP": Decimal("0.01"),
        "PEPE-USDT-SWAP": Decimal(10_000_000),
    }


@pytest.mark.parametrize(("code", "busy"), [("50011", True), ("51001", False)])
def test_an_error_in_an_answer_is_told_in_the_exchanges_words(code, busy):
    text = json.dumps({"code": code, "msg": "in their words", "data": []})
    with pytest.raises(Refused, match=f"okx: refused with code {code}: in their words") as e:
        OKX.read_instruments(text)
    assert e.value.busy is busy
