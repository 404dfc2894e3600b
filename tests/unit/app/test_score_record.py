import math
from datetime import UTC, datetime, timedelta

import pytest

from app.score_record import (
    NOT_MEASURED,
    Feed,
    ScoreRecord,
    append_line,
    badge,
    in_short,
    read_lines,
    together,
)
from engine.score import Estimate, Verdict
from engine.score.amount import Amount
from engine.score.when import Gain, When

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
MONTH = timedelta(days=30)


def estimate(value, half=0.1):
    return Estimate(value, value - half, value + half)


def when(value, half=0.1, answer="yes"):
    gain = Gain("volume map", *[estimate(value, half)] * 3)
    return When(
        periods=1392,
        events=5000,
        length=timedelta(hours=4),
        alone=gain,
        geometry=gain,
        fading=gain,
        volume=gain,
        strongest=gain,
        verdict=Verdict(answer, "Knows more."),
    )


def amount(value):
    return Amount(
        500, "fading", estimate(value), {"turnover": estimate(0.2)}, Verdict("yes", "So.")
    )


def record(start=JANUARY, made=JANUARY, **changes):
    given = {
        "exchange": "binance",
        "symbol": "BTCUSDT",
        "model": "turnover",
        "assumptions": {"model": "turnover", "turnover": 1.0, "margin": None},
        "start": start,
        "stop": start + MONTH,
        "scored_from": start,
        "mapped_share": 0.9,
        "feed": Feed(exchange="binance", events=3, recorded=0.5, completeness="Some."),
        "data_watermark": "w",
        "program_version": "p",
        "scored_at": made,
    }
    return ScoreRecord(**given | changes)


@pytest.mark.parametrize(
    ("figure", "shown"),
    [
        (Estimate(0.324, 0.2, 0.396), "+.32 [+.20, +.40]"),
        (Estimate(-0.05, -1.5, 0.004), "−.05 [−1.5, +.00]"),
        (Estimate(12.34, 10.0, 20.5), "+12.3 [+10, +20.5]"),
    ],
)
def test_figures_are_short(figure, shown):
    assert in_short(figure) == shown


def test_the_badge_says_what_is_known_in_one_line():
    assert badge(None) == badge(record()) == NOT_MEASURED
    question = "knows more than where price and volume were"
    said = badge(record(when=when(0.32, 0.12)))
    assert said == f"{question}: yes, +.32 [+.20, +.44], 1,392 bars of 4 h to 2026-01-31"
    said = badge(record(when=when(0.01, answer="not shown")))
    assert said == f"{question}: not shown, +.01 [−.09, +.11], 1,392 bars of 4 h to 2026-01-31"
    few = Verdict("no verdict", "Knows more: no verdict, 3 liquidations are too few (30 needed).")
    said = badge(record(when=few))
    assert said == f"{question}: no verdict, 3 liquidations are too few (30 needed)"


def test_a_record_comes_back_from_json_as_it_was():
    whole = record(
        when=when(0.3),
        amount=amount(0.1),
        where=Verdict("no verdict", "Too few."),
        missing=("More.",),
    )
    assert ScoreRecord.model_validate_json(whole.model_dump_json()) == whole


def test_numbers_that_are_not_known_are_null_and_come_back():
    unknown = Estimate(0.5, -math.inf, math.inf)
    some = record(
        when=when(0.3),
        amount=Amount(500, "fading", unknown, {}, Verdict("not shown", "No.")),
        mapped_share=None,
    )
    text = some.model_dump_json()
    assert "NaN" not in text
    assert "Infinity" not in text
    back = ScoreRecord.model_validate_json(text)
    assert math.isnan(back.amount.over_fading.low)
    assert back.mapped_share is None
    assert back.assumptions == some.assumptions


def test_lines_are_added_and_read(tmp_path):
    path = tmp_path / "scores.jsonl"
    for month in range(2):
        append_line(path, record(JANUARY + month * MONTH, when=when(0.3)))
    assert [one.start for one in read_lines(path)] == [JANUARY, JANUARY + MONTH]
    assert path.read_text().count("\n") == 2


def test_a_line_that_was_cut_off_costs_no_other(tmp_path):
    path = tmp_path / "scores.jsonl"
    path.write_text('{"exchange": "bin')
    append_line(path, record())
    _, whole = path.read_text().splitlines()
    assert ScoreRecord.model_validate_json(whole) == record()
    with pytest.raises(ValueError, match=r"scores.jsonl, line 1 is not a score"):
        list(read_lines(path))


def test_periods_that_do_not_overlap_are_told_together():
    first = record(when=when(0.2, 0.1), amount=amount(0.1))
    second = record(JANUARY + MONTH, when=when(0.5, 0.2))
    (one,) = together([second, first])
    assert one.records == (first, second)
    # Weights 1/.1² and 1/.2², 4 to 1: (4 · .2 + .5) / 5, and an interval of .1 · √(4/5).
    assert one.when.value == pytest.approx(0.26)
    assert one.when.high - one.when.value == pytest.approx(0.1 * 0.8**0.5)
    assert one.amount.value == pytest.approx(0.1)
    assert one.where is None


def test_of_periods_that_overlap_the_one_scored_last_counts():
    early = record(when=when(0.2))
    late = record(JANUARY + MONTH / 2, made=JANUARY + 2 * MONTH, when=when(0.4))
    (one,) = together([late, early])
    assert one.records == (late,)
    assert one.when.value == pytest.approx(0.4)


def test_other_markets_and_models_stand_apart():
    others = [
        record(),
        record(symbol="ETHUSDT"),
        record(exchange="bybit"),
        record(assumptions={"model": "turnover", "turnover": 0.5}),
    ]
    assert len(together(others)) == 4
