from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from components.connections import connection_sign, connection_title, was_contacted
from components.controls import exchange_options

from .conftest import texts

NOON = datetime(2026, 2, 5, 12, 3, 5, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Told:
    exchange: str = "okx"
    state: str = "connected"
    last_message: datetime | None = None
    last_event: datetime | None = None
    lag: float | None = None
    last_error: str | None = None
    last_error_time: datetime | None = None


def label(options, exchange):
    return next(texts(option["label"]) for option in options if option["value"] == exchange)


@pytest.mark.parametrize("state", ["connected", "degraded", "down", "off"])
def test_a_state_is_a_shape_and_a_word(state):
    sign = connection_sign(Told(state=state))
    assert texts(sign) == [state]
    assert f"is-{state}" in sign.className
    assert sign.children[0].className == "connection-shape"


def test_the_word_of_a_sound_connection_takes_no_room():
    assert connection_sign(Told()).children[1].className == "visually-hidden"
    assert connection_sign(Told(state="down")).children[1].className != "visually-hidden"


def test_the_title_tells_last_event_lag_and_last_error():
    told = Told(
        state="degraded", last_event=NOON, lag=0.254, last_error="timed out", last_error_time=NOON
    )
    assert connection_title(told).split("\n") == [
        "OKX degraded: something is wrong, but it may still deliver",
        "Last liquidation: 2026-02-05 12:03:05 UTC",
        "Lag: 0.25 s",
        "Last error: timed out (2026-02-05 12:03:05 UTC)",
    ]


def test_the_title_of_a_fresh_connection_says_that_nothing_came_yet():
    assert connection_title(Told()).split("\n")[1:] == ["Last liquidation: none yet"]


@pytest.mark.parametrize(
    ("told", "contacted"),
    [
        (Told(state="off"), False),
        (Told(state="down"), True),
        (Told(state="off", last_event=NOON), True),
        (Told(state="off", last_error="refused"), True),
    ],
)
def test_what_was_never_tried_is_told_apart(told, contacted):
    assert was_contacted(told) is contacted


def test_exchanges_carry_the_state_of_their_connection():
    told = [Told(exchange="binance"), Told(exchange="okx", state="down")]
    options = exchange_options(["binance", "okx"], told)
    assert label(options, "binance") == ["Binance", "connected"]
    assert label(options, "okx") == ["OKX", "down"]


def test_where_nothing_was_ever_tried_only_names_are_shown():
    told = [Told(exchange=name, state="off") for name in ("binance", "okx")]
    options = exchange_options(["binance", "okx"], told)
    assert label(options, "binance") == ["Binance"]


def test_an_exchange_that_is_connected_but_has_nothing_stored_can_not_be_chosen():
    told = [Told(exchange=name, state=s) for name, s in [("bybit", "degraded"), ("okx", "off")]]
    options = exchange_options(["binance"], told)
    assert [(o["value"], o.get("disabled", False)) for o in options] == [
        ("all", False),
        ("binance", False),
        ("bybit", True),
    ]
