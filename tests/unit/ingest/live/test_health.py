import asyncio
from datetime import timedelta

import pytest

from ingest.live.health import Meter, PerMinute
from ingest.records import LONG, Liquidation
from tests.fake_exchange.clock import START, ManualClock


def later(clock, seconds):
    asyncio.run(clock.advance(seconds))


def liquidation(clock, lag=0.0):
    return Liquidation(
        exchange="okx",
        symbol="BTCUSDT",
        side=LONG,
        quantity=1.0,
        price=60_000.0,
        price_kind="fill",
        trigger_price=None,
        notional=60_000.0,
        time=clock.now() - timedelta(seconds=lag),
        received=clock.now(),
        key="k",
    )


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def meter(clock):
    return Meter("okx", clock)


def test_an_exchange_that_was_never_contacted_is_off(meter):
    health = meter.health()
    assert (health.state, health.last_contact, health.last_message) == ("off", None, None)


def test_it_is_not_connected_before_it_is(meter):
    meter.started()
    meter.contacting()
    assert meter.health().state == "degraded"
    meter.opened(renewal=False)
    assert meter.health().state == "connected"


def test_the_third_failure_in_a_row_marks_it_down(meter):
    meter.started()
    states = []
    for n in (1, 2, 3, 4):
        meter.failed("no route", n)
        states.append(meter.health().state)
    assert states == ["degraded", "degraded", "down", "down"]
    meter.opened(renewal=False)
    assert meter.health().state == "connected"


def test_a_stopped_stream_is_off_again_and_keeps_what_it_counted(meter, clock):
    meter.started()
    meter.opened(renewal=False)
    meter.event(liquidation(clock))
    meter.stopped()
    health = meter.health()
    assert (health.state, health.events) == ("off", 1)


def test_two_connections_at_once_are_still_one_when_the_older_goes(meter):
    meter.started()
    meter.opened(renewal=False)
    meter.opened(renewal=True)
    meter.closed()
    health = meter.health()
    assert (health.state, health.connects, health.renewals, health.reconnects) == (
        "connected",
        2,
        1,
        0,
    )


def test_doubt_lasts_until_data_comes(meter):
    meter.started()
    meter.opened(renewal=False)
    meter.doubted()
    meter.message()
    assert meter.health().state == "degraded"
    meter.data()
    assert meter.health().state == "connected"


def test_what_could_not_be_read_or_kept_degrades_it_for_a_minute(meter, clock):
    meter.started()
    meter.opened(renewal=False)
    meter.bad_payload("no field 'o'")
    assert meter.health().state == "degraded"
    later(clock, 61)
    assert meter.health().state == "connected"
    meter.overflow()
    assert meter.health().state == "degraded"


def test_what_is_sent_late_on_purpose_does_not_count_as_lag(meter, clock):
    meter.event(liquidation(clock, 5.0))
    for _ in range(3):
        meter.event(liquidation(clock, 9000.0), timely=False)
    assert (meter.health().lag, meter.health().events) == (5.0, 4)


def test_lag_is_the_median_of_receive_minus_exchange_time(meter, clock):
    for lag in (0.1, 5.0, 0.3):
        meter.event(liquidation(clock, lag))
    assert meter.health().lag == pytest.approx(0.3)
    for _ in range(200):
        meter.event(liquidation(clock, -2.0))
    assert meter.health().lag == pytest.approx(-2.0)


def test_the_last_error_is_shortened_and_dated(meter, clock):
    later(clock, 90)
    meter.failed("x" * 10_000, 1)
    health = meter.health()
    assert health.last_error is not None
    assert len(health.last_error) == 301
    assert health.last_error_time == START + timedelta(seconds=90)


def test_a_minute_slides(clock):
    rate = PerMinute(clock)
    totals = []
    for _ in range(180):
        rate.count()
        rate.count()
        totals.append(rate.total())
        later(clock, 1)
    assert (totals[0], totals[29], totals[59], totals[179]) == (2, 60, 120, 120)
    later(clock, 30)
    assert rate.total() == 58
    later(clock, 300)
    assert rate.total() == 0


def test_over_http_an_answer_is_a_connection_and_some_failures_in_a_row_its_end(meter, clock):
    def failures(number):
        for _ in range(number):
            meter.unanswered("500")
        return meter.health()

    meter.started()
    assert meter.health().state == "degraded"
    meter.answered()
    meter.answered()
    health = meter.health()
    assert (health.state, health.connects, health.messages_per_minute) == ("connected", 1, 2)
    assert failures(2).state == "degraded"
    assert failures(1).state == "down"
    assert failures(5).state == "down"
    meter.answered()
    health = meter.health()
    assert (health.state, health.reconnects, health.failures) == ("connected", 1, 8)
    assert health.last_error == "500"
