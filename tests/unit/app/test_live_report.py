from datetime import UTC, datetime

from app.live_report import Answer, Checked, report, shown
from ingest.live.health import Health
from ingest.records import Liquidation, TierRow, Tiers

TIME = datetime(2026, 1, 5, 12, 0, 0, 123456, tzinfo=UTC)
LIQUIDATION = Liquidation(
    exchange="okx",
    symbol="BTCUSDT",
    side=1,
    quantity=0.5,
    price=60_000.1,
    price_kind="bankruptcy",
    trigger_price=None,
    notional=30_000.05,
    time=TIME,
    received=TIME,
    key="k",
)


def health(**replaced):
    return Health(**{"exchange": "okx", "state": "connected", "connects": 1, **replaced})


def test_a_row_is_one_line_of_what_it_became():
    assert shown(LIQUIDATION) == (
        "symbol=BTCUSDT side=1 quantity=0.5 price=60000.1 price_kind=bankruptcy "
        "trigger_price=None notional=30000.05 time=2026-01-05T12:00:00.123Z trade_id=None"
    )


def test_of_rows_within_a_row_the_first_is_shown_with_their_number():
    rows = (TierRow(floor=0, cap=5, max_leverage=100, maintenance_rate=0.004),) * 2
    tiers = Tiers(exchange="okx", symbol="BTCUSDT", valid_from=TIME, rows=rows)
    assert "rows=2×(floor=0 cap=5 max_leverage=100 maintenance_rate=0.004 " in shown(tiers)


def test_three_rows_of_each_are_shown():
    told = list(
        report(
            Checked(
                "okx",
                answers=[Answer("candles", [LIQUIDATION] * 7), Answer("tiers", failed="no")],
                health=health(messages_per_minute=1234, lag=1.005),
                liquidations=[LIQUIDATION] * 4,
            )
        )
    )
    assert told[0] == "okx"
    assert told[1] == (
        "  stream: connected; 1,234 messages in the last minute, 0 that could not be read; "
        "4 liquidations, lag 1.00 s"
    )
    assert told[5] == "  candles: 7 rows"
    assert told[-1] == "  tiers: failed: no"
    assert len(told) == 1 + 1 + 3 + 1 + 3 + 1


def test_a_problem_is_one_sentence():
    assert Checked("okx", health=health()).problem == ""
    assert Checked("okx", no_stream="there is none").problem == ""
    gone = Checked("okx", unreachable="nobody is there", answers=[Answer("x", failed="no")])
    assert gone.problem == "nobody is there"
    half = Checked("okx", answers=[Answer("funding", failed="no"), Answer("tiers", failed="no")])
    assert half.problem == "no usable answer for funding, tiers"
    lost = Checked("okx", health=health(state="down", last_error="gone"))
    assert lost.problem == "the stream is down (gone)"
    never = Checked("okx", health=health(state="degraded", connects=0, last_error="refused"))
    assert never.problem == "the stream is not connected (refused)"


def test_what_others_said_steers_no_terminal():
    told = report(Checked("okx", health=health(state="down", last_error="\x1b[31mred")))
    assert "\x1b" not in "".join(told)
