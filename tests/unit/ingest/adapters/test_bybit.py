import json
from datetime import UTC, datetime, timedelta

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
from ingest.adapters.bybit import Bybit
from ingest.records import (
    LONG,
    SHORT,
    Candle,
    FundingRate,
    Instrument,
    Liquidation,
    OpenInterest,
    TierRow,
)

RECEIVED = datetime(2026, 9, 17, 18, 35, tzinfo=UTC)
BYBIT = Bybit()


def parse(message, context=None):
    return BYBIT.parse(json.dumps(message), RECEIVED, context or Context())


def answer(rows, **more):
    return json.dumps({"retCode": 0, "retMsg": "OK", "result": {"list": rows}} | more)


def test_sides_are_of_the_position(payload):
    # Unlike everybody else's: Buy is a long, as its price below the market showed.
    context = Context(maintenance_rate={"ICPUSDT": 0.01}.get)
    assert parse(payload("bybit_all_liquidation_buy"), context) == Liquidations(
        (
            Liquidation(
                exchange="bybit",
                symbol="ICPUSDT",
                side=LONG,
                quantity=19.7,
                price=2.585,
                price_kind="bankruptcy",
                trigger_price=2.585 / 0.99,
                notional=19.7 * 2.585,
                time=datetime(2026, 9, 17, 18, 34, 54, 99_000, tzinfo=UTC),
                received=RECEIVED,
                key="bybit|ICPUSDT|Buy|19.7|2.585|1789670094099",
            ),
        )
    )
    (short,) = parse(payload("bybit_all_liquidation_sell")).liquidations
    assert short.side == SHORT


def test_the_trigger_of_a_short_is_below_its_bankruptcy_price(payload):
    context = Context(maintenance_rate=lambda _: 0.02)
    (short,) = parse(payload("bybit_all_liquidation_sell"), context).liquidations
    assert short.trigger_price == pytest.approx(0.12734 / 1.02)


def test_without_a_maintenance_rate_there_is_no_trigger_price(payload):
    (liquidation,) = parse(payload("bybit_all_liquidation_buy")).liquidations
    assert liquidation.trigger_price is None


def test_every_row_of_a_batch_counts(payload):
    message = payload("bybit_all_liquidation_buy")
    row = message["data"][0]
    message["data"] = [row, row | {"v": "5", "S": "Sell"}, row | {"v": "7.5"}]
    found = parse(message).liquidations
    assert [(one.quantity, one.side) for one in found] == [(19.7, LONG), (5, SHORT), (7.5, LONG)]
    assert len({one.key for one in found}) == 3


def test_a_bad_row_does_not_lose_the_others(payload):
    message = payload("bybit_all_liquidation_buy")
    message["data"].insert(0, {"T": 1789670094099, "s": "ICPUSDT", "S": "Buy", "v": "1"})
    with pytest.raises(PayloadError, match="bybit: no field 'p'") as caught:
        parse(message)
    assert [found.quantity for found in caught.value.liquidations] == [19.7]


def test_the_topic_that_is_sampled_once_a_second_is_not_read(payload):
    assert parse(payload("bybit_liquidation_deprecated")) == Ignored()


def test_each_topic_is_subscribed_by_itself():
    # One that is refused takes the whole message with it.
    frames = [json.loads(frame) for frame in BYBIT.subscriptions(["BTCUSDT", "BTCUSDC"])]
    assert [frame["args"] for frame in frames] == [
        ["allLiquidation.BTCUSDT"],
        ["allLiquidation.BTCPERP"],
    ]
    with pytest.raises(ValueError, match="bybit can have no 'BTC-USDT'"):
        BYBIT.subscriptions(["BTC-USDT"])


def test_control_messages(payload):
    assert parse(payload("bybit_pong")) == ControlAnswer("pong")
    assert json.loads(BYBIT.ping.frame) == {"op": "ping"}
    acknowledgement = {"success": True, "ret_msg": "", "req_id": "x", "op": "subscribe"}
    assert parse(acknowledgement) == ControlAnswer("acknowledgement")


def test_a_refusal_tells_which_topic():
    words = "error:handler not found,topic:allLiquidation.NOUSDT"
    message = {"success": False, "ret_msg": words, "req_id": "allLiquidation.NOUSDT"}
    assert parse(message | {"op": "subscribe"}) == Rejection(words, "allLiquidation.NOUSDT")


def test_candles_are_asked_for_and_read_oldest_first():
    start, step = datetime(2026, 1, 1, tzinfo=UTC), timedelta(minutes=5)
    requests = BYBIT.candles("BTCUSDT", step, start, start + 1001 * step)
    assert [request.params["limit"] for request in requests] == [1000, 1]
    assert requests[0].params["interval"] == "5"
    assert requests[1].params["start"] == requests[0].params["end"] + 1
    rows = [
        ["1767225900000", "2", "4", "1", "3", "10", "25"],
        ["1767225600000", "1", "3", "1", "2", "8", "16"],
    ]
    assert BYBIT.read_candles(answer(rows), "BTCUSDT", step) == [
        Candle(
            exchange="bybit",
            symbol="BTCUSDT",
            interval_seconds=300,
            open_time=start + n * step,
            open=1.0 + n,
            high=3.0 + n,
            low=1.0,
            close=2.0 + n,
            volume=volume,
            quote_volume=turnover,
        )
        for n, (volume, turnover) in enumerate([(8.0, 16.0), (10.0, 25.0)])
    ]


def test_candles_of_the_mark_price_are_asked_for_and_read_oldest_first():
    start, step = datetime(2026, 1, 1, tzinfo=UTC), timedelta(minutes=5)
    (request,) = BYBIT.mark_candles("BTCUSDT", step, start, start + 2 * step)
    assert request.path == "/v5/market/mark-price-kline"
    rows = [["1767225900000", "2", "4", "1", "3"], ["1767225600000", "1", "3", "1", "2"]]
    candles = BYBIT.read_mark_candles(answer(rows), "BTCUSDT", step)
    assert [(candle.open_time, candle.close) for candle in candles] == [
        (start, 2.0),
        (start + step, 3.0),
    ]


def test_one_side_of_open_interest_is_taken(payload):
    row = payload("bybit_open_interest")
    (one,) = BYBIT.read_open_interest_history(answer([row]), "BTCUSDT")
    assert one == OpenInterest(
        exchange="bybit",
        symbol="BTCUSDT",
        time=datetime(2026, 6, 9, tzinfo=UTC),
        open_interest=31955346.0,  # openInterest, 63910691, has both
    )
    del row["singleOpenInterest"]  # as it was before June 2026
    (one,) = BYBIT.read_open_interest_history(answer([row]), "BTCUSDT")
    assert one.open_interest == 63910691 / 2


def test_one_side_of_open_interest_now_is_taken():
    row = {"symbol": "ETHUSDT", "openInterest": "52664.642", "openInterestValue": "131000000"}
    text = answer([row], time=1789458600000)
    assert BYBIT.read_open_interest_now(text, RECEIVED) == [
        OpenInterest(
            exchange="bybit",
            symbol="ETHUSDT",
            time=datetime(2026, 9, 15, 7, 50, tzinfo=UTC),
            open_interest=26332.321,
            notional=65_500_000.0,
        )
    ]


def test_open_interest_pages_hold_two_hundred():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    requests = BYBIT.open_interest_history(
        "BTCUSDT", timedelta(hours=1), start, start + timedelta(hours=201)
    )
    assert [request.params["limit"] for request in requests] == [200, 1]
    assert {request.params["intervalTime"] for request in requests} == {"1h"}


def test_funding_is_asked_for_with_both_ends_and_read():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    requests = BYBIT.funding("BTCUSDT", start, start + timedelta(hours=300))
    assert all({"startTime", "endTime"} <= request.params.keys() for request in requests)
    assert len(requests) == 2
    row = {"symbol": "ETHUSDT", "fundingRate": "-0.0001", "fundingRateTimestamp": "1789459200000"}
    assert BYBIT.read_funding(answer([row]), "ETHUSDT") == [
        FundingRate(
            exchange="bybit",
            symbol="ETHUSDT",
            time=datetime(2026, 9, 15, 8, tzinfo=UTC),
            funding_rate=-0.0001,
        )
    ]


@pytest.mark.parametrize("written", [str, lambda rate: f"{100 * rate:.4g}"])
def test_tiers_are_read_whether_rates_are_shares_or_percent(payload, written):
    rows = [
        {
            "id": row["tier"],
            "symbol": "BTCUSDT",
            "riskLimitValue": str(row["riskLimitValue"]),
            "maintenanceMargin": written(row["maintenanceMargin"]),
            "maxLeverage": f"{row['maxLeverage']}.00",
            "mmDeduction": str(row["mmDeduction"]) if row["mmDeduction"] else "",
        }
        for row in payload("bybit_risk_limit_page")
    ]
    (tiers,) = BYBIT.read_tiers(answer(rows[::-1]), RECEIVED, Context())
    assert (tiers.symbol, len(tiers.rows)) == ("BTCUSDT", 20)
    assert tiers.rows[0] == TierRow(
        floor=0.0, cap=2e6, max_leverage=100.0, maintenance_rate=0.005, deduction=0.0
    )
    assert tiers.rows[1].maintenance_rate == pytest.approx(0.0056)
    assert (tiers.rows[1].floor, tiers.rows[1].deduction) == (2e6, 1200.0)


def test_a_deduction_that_is_not_told_follows_from_the_tiers():
    row = {"symbol": "BTCUSDT", "initialMargin": "0.01"}
    rows = [
        row | {"riskLimitValue": "2000000", "maintenanceMargin": "0.005", "maxLeverage": "100"},
        row | {"riskLimitValue": "2600000", "maintenanceMargin": "0.0056", "maxLeverage": "90"},
    ]
    (tiers,) = BYBIT.read_tiers(answer(rows), RECEIVED, Context())
    # 2,000,000 × (0.56 % - 0.5 %)
    assert tiers.rows[1].deduction == pytest.approx(1200.0)


def test_only_open_perpetual_markets_are_listed():
    row = {"contractType": "LinearPerpetual", "status": "Trading"}
    rows = [
        row | {"symbol": "BTCUSDT", "leverageFilter": {"maxLeverage": "100.00"}},
        row | {"symbol": "BTCPERP"},
        row | {"symbol": "BTC-27MAR26", "contractType": "LinearFutures"},
        row | {"symbol": "OLDUSDT", "status": "Closed"},
    ]
    assert BYBIT.read_instruments(answer(rows)) == [
        Instrument(
            exchange="bybit",
            symbol="BTCUSDT",
            native="BTCUSDT",
            contract_size=1,
            max_leverage=100.0,
        ),
        Instrument(exchange="bybit", symbol="BTCUSDC", native="BTCPERP", contract_size=1),
    ]


@pytest.mark.parametrize(("code", "busy"), [(10006, True), (10001, False)])
def test_an_error_in_an_answer_is_told_in_the_exchanges_words(code, busy):
    text = json.dumps({"retCode": code, "retMsg": "in their words", "result": {}})
    with pytest.raises(Refused, match=f"bybit: refused with code {code}: in their words") as e:
        BYBIT.read_funding(text, "BTCUSDT")
    assert e.value.busy is busy
