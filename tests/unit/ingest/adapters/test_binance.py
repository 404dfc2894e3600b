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
from ingest.adapters.binance import Binance
from ingest.records import (
    LONG,
    SHORT,
    Candle,
    FundingRate,
    Instrument,
    Liquidation,
    MarkCandle,
    OpenInterest,
    TierRow,
)

RECEIVED = datetime(2026, 10, 8, 4, 38, 3, 200_000, tzinfo=UTC)
BINANCE = Binance()


def parse(message, context=None):
    return BINANCE.parse(json.dumps(message), RECEIVED, context or Context())


def test_a_combined_frame_tells_a_liquidation(payload):
    assert parse(payload("binance_force_order_combined")) == Liquidations(
        (
            Liquidation(
                exchange="binance",
                symbol="ILVUSDT",
                side=LONG,  # a sell order closed it
                quantity=116.5,  # z; the last part, l, was 25.2
                price=3.85642,  # ap; p, 3.803, is where its equity was zero
                price_kind="fill",
                trigger_price=3.85642,
                notional=116.5 * 3.85642,
                time=datetime(2026, 10, 7, 16, 38, 2, 119_000, tzinfo=UTC),  # T, not E
                received=RECEIVED,
                key="binance|ILVUSDT|SELL|3.80300|3.85642|116.5|116.5|1791391082119",
            ),
        )
    )


def test_a_raw_frame_tells_the_same_as_a_combined_one(payload):
    combined = payload("binance_force_order_combined")
    assert parse(combined["data"]) == parse(combined)


def test_a_buy_order_closes_a_short(payload):
    (liquidation,) = parse(payload("binance_force_order_buy")).liquidations
    assert (liquidation.side, liquidation.quantity, liquidation.price) == (SHORT, 1.437, 34959.70)


def test_an_order_that_filled_nothing_liquidated_nothing(payload):
    message = payload("binance_force_order_raw")
    message["o"] |= {"z": "0", "ap": "0"}
    assert parse(message) == Liquidations((), left_out=1)


def test_coin_margined_markets_are_left_out_by_their_symbol(payload):
    assert parse(payload("binance_force_order_coin_margined")) == Liquidations((), left_out=1)


@pytest.mark.parametrize("within", [True, False])
def test_coin_margined_markets_are_left_out_by_their_mark(payload, within):
    message = payload("binance_force_order_raw")
    (message["o"] if within else message)["st"] = 2
    assert parse(message) == Liquidations((), left_out=1)


def test_all_events_of_a_list_are_read(payload):
    events = [payload("binance_force_order_raw"), payload("binance_force_order_buy")]
    assert [found.side for found in parse(events).liquidations] == [LONG, SHORT]


def test_symbols_not_wanted_are_left_out(payload):
    context = Context(symbols=frozenset({"BTCUSDT"}))
    message = payload("binance_force_order_combined")
    assert parse(message, context) == Liquidations((), left_out=1)


def test_the_stream_is_on_the_path_that_carries_liquidations():
    # Others connect and acknowledge, and never send one.
    assert BINANCE.stream_url == "wss://fstream.binance.com/market/ws"


def test_one_subscription_covers_all_markets():
    (frame,) = BINANCE.subscriptions(["BTCUSDT", "ETHUSDT"])
    assert json.loads(frame) == {"method": "SUBSCRIBE", "params": ["!forceOrder@arr"], "id": 1}


def test_control_messages():
    assert parse({"result": None, "id": 1}) == ControlAnswer("acknowledgement")
    assert parse({"result": ["!forceOrder@arr"], "id": 2}) == ControlAnswer(
        "liveness", topics=("!forceOrder@arr",)
    )
    assert parse({"result": [], "id": 2}) == ControlAnswer("liveness", topics=())
    assert parse({"e": "aggTrade", "s": "BTCUSDT"}) == Ignored()


@pytest.mark.parametrize(
    "message",
    [
        {"error": {"code": 2, "msg": "Invalid request: unknown method"}, "id": 1},
        {"code": 2, "msg": "Invalid request: unknown method", "id": 1},
    ],
)
def test_a_refusal_is_told_in_the_exchanges_words(message):
    assert parse(message) == Rejection("Invalid request: unknown method")


@pytest.mark.parametrize("field", ["s", "S", "z", "ap", "T"])
def test_a_missing_field_is_named(payload, field):
    message = payload("binance_force_order_raw")
    del message["o"][field]
    with pytest.raises(PayloadError, match=f"^binance: no field '{field}', in: ") as caught:
        parse(message)
    assert json.loads(caught.value.payload) == message


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("ap", "0.00", "a number above 0 in 'ap'"),
        ("ap", "NaN", "a number in 'ap', found 'NaN'"),
        ("ap", "1_000", "a number in 'ap', found '1_000'"),
        ("z", "1e999", "a number that fits in 'z'"),
        ("z", "9e307", r"quantity 9e\+307 × price 39021 is no number"),
        ("z", "-1", "a number of at least 0 in 'z'"),
        ("S", "LONG", "one of 'SELL', 'BUY' in 'S', found 'LONG'"),
        ("T", 1_650_898_329, "milliseconds since 1970 in 'T', found 1650898329"),
        ("T", True, "milliseconds"),
    ],
)
def test_a_wrong_field_is_named(payload, field, value, problem):
    message = payload("binance_force_order_raw")
    message["o"][field] = value
    with pytest.raises(PayloadError, match=problem):
        parse(message)


def test_a_bad_event_does_not_lose_the_others(payload):
    good, bad = payload("binance_force_order_raw"), payload("binance_force_order_buy")
    del bad["o"]["ap"]
    with pytest.raises(PayloadError) as caught:
        parse([bad, good])
    assert [found.quantity for found in caught.value.liquidations] == [0.288]


def test_candles_are_asked_for_page_by_page():
    start, minute = datetime(2026, 1, 1, tzinfo=UTC), timedelta(minutes=1)
    first, second = BINANCE.candles("BTCUSDT", minute, start, start + 1600 * minute)
    assert first.path == "/fapi/v1/klines"
    assert first.params == {
        "symbol": "BTCUSDT",
        "interval": "1m",
        "startTime": 1_767_225_600_000,
        "endTime": 1_767_225_600_000 + 1500 * 60_000 - 1,
        "limit": 1500,
    }
    # Nothing between the pages, nothing twice, and the last is as cheap as it is short.
    assert second.params["startTime"] == first.params["endTime"] + 1
    assert second.params["endTime"] == 1_767_225_600_000 + 1600 * 60_000 - 1
    assert (first.weight, second.params["limit"], second.weight) == (10, 100, 2)


def test_candles_are_read():
    # Row of the archive's shape: open time, prices, volume, close time, quote volume, trades,
    # taker buys in base and in quote asset, unused.
    row = [1767225600000, "87648.2", "87700", "87600.1", "87650", "12.5"]
    row += [1767225659999, "1095612.5", 210, "7.25", "635455.1", "0"]
    assert BINANCE.read_candles(json.dumps([row]), "BTCUSDT", timedelta(minutes=1)) == [
        Candle(
            exchange="binance",
            symbol="BTCUSDT",
            interval_seconds=60,
            open_time=datetime(2026, 1, 1, tzinfo=UTC),
            open=87648.2,
            high=87700.0,
            low=87600.1,
            close=87650.0,
            volume=12.5,
            quote_volume=1095612.5,
            taker_buy_volume=7.25,
        )
    ]


def test_candles_of_the_mark_price_are_asked_for_and_read():
    start, minute = datetime(2026, 1, 1, tzinfo=UTC), timedelta(minutes=1)
    first, second = BINANCE.mark_candles("BTCUSDT", minute, start, start + 1600 * minute)
    assert (first.path, first.params["limit"]) == ("/fapi/v1/markPriceKlines", 1500)
    assert second.params["startTime"] == first.params["endTime"] + 1
    row = [1767225600000, "1", "3", "0.5", "2", "0", 1767225659999, "0", 60, "0", "0", "0"]
    assert BINANCE.read_mark_candles(json.dumps([row]), "BTCUSDT", minute) == [
        MarkCandle(
            exchange="binance",
            symbol="BTCUSDT",
            interval_seconds=60,
            open_time=start,
            open=1.0,
            high=3.0,
            low=0.5,
            close=2.0,
        )
    ]


def test_an_interval_that_binance_has_not_is_refused():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="binance has no interval of 420 s, only of 60, 180"):
        BINANCE.candles("BTCUSDT", timedelta(minutes=7), start, start + timedelta(days=1))


def test_open_interest_is_read(payload):
    text = json.dumps(payload("binance_open_interest"))
    assert BINANCE.read_open_interest_now(text, RECEIVED) == [
        OpenInterest(
            exchange="binance",
            symbol="BTCUSDT",
            time=datetime(2020, 5, 14, 6, 25, 30, 11_000, tzinfo=UTC),
            open_interest=10659.509,
        )
    ]


def test_open_interest_of_the_past_is_read(payload):
    text = json.dumps([payload("binance_open_interest_history")])
    assert BINANCE.read_open_interest_history(text, "BTCUSDT") == [
        OpenInterest(
            exchange="binance",
            symbol="BTCUSDT",
            time=datetime(2020, 3, 2, 5, 45, tzinfo=UTC),
            open_interest=20403.637,
            notional=150570784.07809979,
        )
    ]


def test_open_interest_goes_back_for_thirty_days():
    limit = BINANCE.history["open_interest_history"]
    now = datetime(2026, 3, 31, tzinfo=UTC)
    # Older starts are refused, and a request takes time: hence an hour less.
    assert limit.oldest(now, timedelta(minutes=5)) == datetime(2026, 3, 1, 1, tzinfo=UTC)
    assert "30 days" in limit.sentence


def test_funding_requests_always_tell_both_ends():
    # With a start alone, Binance may answer with the newest rows instead of the oldest.
    start = datetime(2025, 1, 1, tzinfo=UTC)
    requests = BINANCE.funding("BTCUSDT", start, start + timedelta(hours=1500))
    ends = [(request.params["startTime"], request.params["endTime"]) for request in requests]
    begin, hour = 1_735_689_600_000, 3_600_000
    assert ends == [
        (begin, begin + 1000 * hour - 1),
        (begin + 1000 * hour, begin + 1500 * hour - 1),
    ]
    assert {request.limit for request in requests} == {"funding"}


def test_funding_is_read():
    row = {"symbol": "BTCUSDT", "fundingTime": 1567267200000, "fundingRate": "-0.00010000"}
    row["markPrice"] = ""  # as it was before 2023
    assert BINANCE.read_funding(json.dumps([row]), "BTCUSDT") == [
        FundingRate(
            exchange="binance",
            symbol="BTCUSDT",
            time=datetime(2019, 8, 31, 16, tzinfo=UTC),
            funding_rate=-0.0001,
        )
    ]


def test_tiers_are_not_offered_but_a_saved_answer_is_read(payload):
    with pytest.raises(NotOffered, match="signed requests"):
        BINANCE.tiers(["BTCUSDT"])
    text = json.dumps(payload("binance_leverage_bracket"))
    (tiers,) = BINANCE.read_tiers(text, RECEIVED, Context())
    assert (tiers.symbol, tiers.valid_from, tiers.unit) == ("BTCUSDT", RECEIVED, "quote")
    assert tiers.rows[3] == TierRow(
        floor=3e6, cap=12e6, max_leverage=50.0, maintenance_rate=0.01, deduction=12_000.0
    )


def test_only_open_perpetual_markets_are_listed():
    markets = [
        {"symbol": "BTCUSDT", "contractType": "PERPETUAL", "status": "TRADING"},
        {"symbol": "BTCUSDT_260327", "contractType": "CURRENT_QUARTER", "status": "TRADING"},
        {"symbol": "OLDUSDT", "contractType": "PERPETUAL", "status": "SETTLING"},
        {"symbol": "NEWUSDT", "contractType": "", "status": "PENDING_TRADING"},
    ]
    assert BINANCE.read_instruments(json.dumps({"symbols": markets})) == [
        Instrument(exchange="binance", symbol="BTCUSDT", native="BTCUSDT", contract_size=1)
    ]
