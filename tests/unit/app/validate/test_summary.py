from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from app.validate.lines import LiquidationLine, MapLine, PositionLine, RunLine
from app.validate.summary import Score, Summary, score, summarise
from app.validate.words import told, verdict

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
MAP = MapLine(
    as_of=NOON,
    price=1000.0,
    notional=(1, 0, 5, 9),
    geometry=(1, 1, 1, 1),
    coverage=(0.2, 0.4),
    data_end=NOON,
    watermark="w",
)
RUN = RunLine(
    start=NOON,
    symbol="BTCUSDT",
    exchanges=("hyperliquid",),
    model="turnover",
    within=0.2,
    share=0.1,
    step=0.001,
    users=3,
    version="v",
    engine="e",
)


def seen(user, *, hot=None, side=1, minute=0, result="compared", bucket=0, notional=1.0):
    compared = {"as_of": NOON, "bucket": bucket, "hot": hot, "covered": 0.1}
    return PositionLine(
        time=NOON + timedelta(minutes=minute),
        user=user,
        side=side,
        quantity=1.0,
        entry_price=1000.0,
        leverage=5.0,
        isolated=True,
        liquidation_price=None if result == "no price" else 900.0,
        notional=notional,
        result=result,
        **(compared if result == "compared" else {}),
    )


def happened(minute, *, hot, side=1, bucket=3, result="compared", exchange="okx"):
    return LiquidationLine(
        time=NOON + timedelta(minutes=minute),
        exchange=exchange,
        side=side,
        quantity=1.0,
        price=900.0,
        notional=900.0,
        result=result,
        as_of=NOON + timedelta(minutes=minute - minute % 5),
        bucket=bucket,
        hot=hot,
        covered=0.5,
    )


def test_a_user_counts_once_on_each_side_by_what_was_seen_first():
    found = summarise(
        [
            MAP,
            seen("a", hot=False, minute=60),
            seen("a", hot=True),
            seen("a", hot=False, side=-1),
            seen("b", result="outside"),
            seen("b", hot=True, minute=60),
            seen("c", result="no price"),
            seen("c", result="no map", minute=-5),
        ]
    ).positions
    assert (found.compared, found.outside, found.without_price, found.without_map) == (3, 0, 1, 0)
    assert found.by_count.share == pytest.approx(2 / 3)
    assert (found.observations, found.observations_share) == (4, 0.5)
    assert found.coverage == pytest.approx(0.3)


def test_notional_weighs_and_one_large_position_is_nearly_one_observation():
    lines = [seen(f"{i}", hot=False) for i in range(99)]
    found = summarise([MAP, *lines, seen("large", hot=True, notional=9901.0)]).positions
    assert found.by_count.share == pytest.approx(0.01)
    assert found.by_notional.share == pytest.approx(0.9901)
    assert found.by_notional.effective_count == pytest.approx(1.02, abs=0.01)
    assert found.by_notional.verdict == "no verdict"
    assert found.by_count.verdict == "less"


def test_ranks_of_notional_by_bucket_are_compared_with_the_maps():
    # Observed 2 0 4 8 beside 1 0 5 9: the same order.
    sizes = ((0, 2.0), (2, 4.0), (3, 8.0))
    lines = [seen(f"{b}", hot=True, bucket=b, notional=size) for b, size in sizes]
    assert summarise([MAP, *lines]).positions.rank_correlation == pytest.approx(1.0)


def test_liquidations_that_fall_together_count_once():
    found = summarise(
        [
            happened(0, hot=True),
            happened(1, hot=True),
            happened(6, hot=False),
            happened(1, hot=False, side=-1),
            happened(1, hot=True, bucket=4),
            happened(1, hot=True, exchange="bybit"),
            happened(1, hot=None, result="no map"),
            happened(2, hot=None, result="no candle"),
            happened(3, hot=None, result="no candle"),
        ]
    ).liquidations
    assert (found.happened, found.compared) == (9, 5)
    assert (found.without_map, found.without_candle) == (1, 2)
    assert found.score.share == pytest.approx(3 / 5)


@pytest.mark.parametrize(
    ("hits", "count", "expected", "sentence"),
    [
        (0, 29, "no verdict", "No verdict: 29 are too few"),
        (29, 29, "no verdict", "No verdict: 29 are too few"),
        (3, 30, "no skill measured", "No skill measured: a blind guess would hit 10.0%"),
        (15, 30, "more", "More than a blind guess, which would hit 10.0%"),
        (0, 100, "less", "Less than a blind guess, which would hit 10.0%"),
    ],
)
def test_the_verdict(hits, count, expected, sentence):
    hot = np.arange(count) < hits
    found = score(hot.tolist(), [0.1] * count, np.ones(count))
    assert found.verdict == expected
    assert verdict(found).startswith(sentence)


def test_nothing_observed_is_told_without_figures():
    lines = "\n".join(told(RUN, summarise([RUN])))
    assert lines.count("No verdict: nothing was compared.") == 2
    assert "nan" not in lines


def test_why_liquidations_were_not_compared_is_told():
    row = happened(0, hot=None, result="no candle")
    lines = list(told(RUN, summarise([RUN, row, row, happened(1, hot=None, result="no map")])))
    assert any(line.startswith("Liquidations compared: 0 of 3;") for line in lines)
    assert "  Not compared: of 2 the candle had not come, and of 1 there was no map." in lines


def test_a_summary_that_was_written_before_there_were_more_figures_is_read():
    old = summarise([RUN]).model_dump()
    del old["liquidations"]["without_map"], old["liquidations"]["without_candle"]
    assert Summary.model_validate(old) == summarise([RUN])


def test_positions_without_the_lines_of_their_maps_have_no_rank_correlation():
    assert summarise([seen("a", hot=True)]).positions.rank_correlation is None


def test_what_is_told_holds_number_share_interval_and_what_is_covered():
    rows = [seen(f"{i}", hot=i < 5) for i in range(40)]
    lines = list(told(RUN, summarise([RUN, MAP, *rows])))
    # Wilson of 5 in 40: (0.125 + 0.04802 ∓ 1.96 √(0.109375/40 + 3.8415/6400)) / 1.09604
    assert "  By number:   12.5% of 40 in hot zones [5.5%, 26.1%], which cover 10.0%" in lines
    assert "  No skill measured: a blind guess would hit 10.0%, which the interval holds." in lines


def test_a_verdict_by_notional_is_told_where_it_differs():
    rows = [seen(f"{i}", hot=i < 5) for i in range(40)]
    rows += [seen(f"large {i}", hot=True, notional=50.0) for i in range(2)]
    lines = list(told(RUN, summarise([RUN, MAP, *rows])))
    assert any(line.startswith("  By notional: No verdict: 4 are too few") for line in lines)


def test_a_score_without_observations_is_none():
    assert score([], [], np.empty(0)) is None
    assert isinstance(score([True], [0.1], np.ones(1)), Score)


def test_the_gain_over_geometry_is_of_the_same_positions():
    def pairs(*counts):
        each = zip(
            ((True, False), (False, True), (True, True), (False, False)), counts, strict=True
        )
        return [pair for pair, count in each for _ in range(count)]

    def lines(rows):
        return [
            seen(f"{i}", hot=hot).model_copy(update={"geometry_hot": geometry_hot})
            for i, (hot, geometry_hot) in enumerate(rows)
        ]

    found = summarise([MAP, *lines(pairs(5, 1, 2, 32))]).positions.over_geometry
    assert (found.geometry_share, found.gain) == (pytest.approx(3 / 40), pytest.approx(4 / 40))
    assert found.verdict == "no skill measured"
    assert summarise([MAP, *lines(pairs(9, 0, 2, 29))]).positions.over_geometry.verdict == "more"
    assert summarise([MAP, *lines(pairs(0, 9, 2, 29))]).positions.over_geometry.verdict == "less"
    few = summarise([RUN, MAP, *lines(pairs(9, 0, 0, 20))])
    assert few.positions.over_geometry.verdict == "no verdict"
    assert any("No verdict beyond geometry: as many zones" in line for line in told(RUN, few))
