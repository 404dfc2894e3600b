"""Comparing what a database holds with its maps."""

from contextlib import closing, contextmanager
from datetime import timedelta

import numpy as np
import pytest

from app.assumptions import Assumptions
from app.heatmaps import StoredHeatmaps
from app.settings import Settings
from app.validate.lines import LinesFile, read_lines
from app.validate.maps import Terms, before
from app.validate.run import Comparison
from app.validate.summary import summarise
from app.validate.zones import Reach
from ingest.store import Store
from tests.observed import COLD, COVERED, HOT, NOON, STEP, add_quiet_market, position, see

TERMS = Terms("BTCUSDT", ("hyperliquid",), Assumptions(model="turnover"), users=7)
SEEN = NOON + timedelta(minutes=4)
LATER = NOON + timedelta(minutes=50)


@contextmanager
def comparing(store, folder, start=NOON - timedelta(minutes=10), terms=TERMS):
    settings = Settings(cache_dir=folder / "cache")
    with (
        closing(StoredHeatmaps(store, settings)) as heatmaps,
        LinesFile(folder / "results", terms.symbol, start) as file,
    ):
        comparison = Comparison(store, heatmaps, terms, start, file)
        comparison.begin()
        yield comparison


@pytest.fixture
def store():
    with Store.open(":memory:") as opened:
        add_quiet_market(opened)
        yield opened


def compared(store, folder, *looks, **options):
    """Return the lines after looks at some times, of which the last is the last."""
    with comparing(store, folder, **options) as comparison:
        for time in looks[:-1]:
            comparison.look(time)
        comparison.look(looks[-1], last=True)
        comparison.end(looks[-1])
        assert read_lines(comparison.file.path) == comparison.lines
        return comparison.lines


def of_kind(lines, kind):
    return [line for line in lines if line.kind == kind]


def test_hits_are_those_that_were_planted(store, tmp_path):
    see(
        store,
        position("a", 1, HOT[1][2], SEEN, quantity=4.0),
        position("b", 1, HOT[1][0], SEEN),
        position("c", -1, HOT[-1][0], SEEN),
        position("d", 1, COLD[1][2], SEEN, quantity=2.0),
        position("e", -1, COLD[-1][1], SEEN),
        position("f", 1, 700.0, SEEN),
        position("g", 1, 1005.0, SEEN),  # above the price no long has one
        position("h", -1, None, SEEN),
    )
    lines = compared(store, tmp_path, LATER)
    (map_line,) = of_kind(lines, "map")
    assert map_line.as_of == NOON
    assert map_line.price == 1000.0
    assert np.flatnonzero(map_line.notional).tolist() == [
        *(10, 67, 111, 145, 162, 172, 181),
        *(217, 227, 237, 253, 286, 328, 385),
    ]
    found = summarise(lines).positions
    assert (found.compared, found.outside, found.without_price, found.without_map) == (5, 2, 1, 0)
    assert found.by_count.share == pytest.approx(3 / 5)
    assert found.by_count.covered == pytest.approx(COVERED)
    hit = 4 * 911.5 + 810.5 + 1053.5
    assert found.by_notional.share == pytest.approx(hit / (hit + 2 * 900.5 + 1050.5))
    assert found.by_count.verdict == "no verdict"
    (line,) = [one for one in of_kind(lines, "position") if one.liquidation_price == HOT[1][2]]
    assert (line.result, line.bucket, line.hot) == ("compared", 111, True)
    assert line.map_notional == map_line.notional[111]
    assert line.distance == pytest.approx(-0.0885)
    assert line.watermark == map_line.watermark
    assert line.model == "turnover"
    assert all(one.user != "user" and len(one.user) == 16 for one in of_kind(lines, "position"))


@pytest.mark.parametrize(
    ("seconds", "as_of"),
    [(14, NOON - STEP), (15, NOON), (299, NOON), (314, NOON), (315, NOON + STEP)],
)
def test_a_bar_is_known_only_some_time_after_its_end(seconds, as_of):
    assert before(NOON + timedelta(seconds=seconds)) == as_of


def test_nothing_later_has_an_influence(store, tmp_path):
    see(store, position("a", 1, HOT[1][2], SEEN), position("b", -1, COLD[-1][0], SEEN))
    at_once = compared(store, tmp_path / "1", SEEN + timedelta(seconds=2))
    # Then the price falls through half of the levels, and much is opened.
    later = np.datetime64((NOON + 20 * STEP).replace(tzinfo=None), "us")
    market = {"exchange": "hyperliquid", "symbol": "BTCUSDT"}
    prices = {"open": 1000.0, "high": 1000.0, "low": 900.0, "close": 950.0, "volume": 5000.0}
    candle = {name: np.array([value]) for name, value in prices.items()}
    store.add_candles(market | {"interval": STEP, "open_time": np.array([later])} | candle)
    end = later + np.timedelta64(STEP)
    store.add_open_interest(market | {"time": np.array([end]), "open_interest": np.array([5000.0])})
    afterwards = compared(store, tmp_path / "2", NOON + 22 * STEP)

    def told(lines):
        kept = [one.model_dump() for one in lines if one.kind in ("map", "position")]
        return [
            {k: v for k, v in one.items() if k not in ("watermark", "data_end")} for one in kept
        ]

    assert told(at_once) == told(afterwards)


def test_what_is_seen_before_there_is_a_map_is_compared_once_there_is_one(store, tmp_path):
    seen_from = NOON - timedelta(minutes=9)
    see(store, position("a", 1, HOT[1][2], seen_from), position("b", 1, HOT[1][2], seen_from))
    see(store, position("a", 1, HOT[1][2], NOON + timedelta(minutes=30)))
    lines = of_kind(compared(store, tmp_path, LATER), "position")
    (first,) = [one for one in lines if one.result == "compared"]
    assert (first.as_of, first.time) == (NOON, NOON + timedelta(seconds=15))
    assert [one.result for one in lines if one is not first] == ["no map"]


@pytest.mark.parametrize("minutes", [1, 5, 15, 60, 1440])
def test_maps_are_those_of_the_last_bar_that_ended_however_long_bars_are(tmp_path, minutes):
    step = timedelta(minutes=minutes)
    noon = NOON.replace(hour=0)
    seen = noon + max(step, timedelta(minutes=5)) - timedelta(minutes=1)
    with Store.open(":memory:") as store:
        add_quiet_market(store, noon, bars_before=3, bars_after=0, step=step)
        see(store, position("a", 1, HOT[1][2], seen))
        lines = compared(store, tmp_path, seen + timedelta(minutes=5), start=noon)
    (found,) = of_kind(lines, "position")
    if minutes <= 60:
        assert (found.result, found.hot) == ("compared", True)
    else:
        assert found.result == "no map"  # a state holds for an hour


def test_while_candles_do_not_come_the_last_map_holds(store, tmp_path):
    # The last bar ends at 13:00.
    seen = NOON + timedelta(minutes=80)
    see(store, position("a", 1, HOT[1][2], seen), position("b", 1, COLD[1][0], seen))
    lines = compared(store, tmp_path, seen + timedelta(minutes=2), seen + timedelta(minutes=3))
    found = of_kind(lines, "position")
    assert [(one.result, one.as_of) for one in found] == 2 * [("compared", NOON + 15 * STEP)]
    assert of_kind(lines, "map")[0].data_end == NOON + 12 * STEP


def test_the_same_position_counts_once_however_often_it_is_seen(store, tmp_path):
    for minute in range(1, 50):
        seen = NOON + timedelta(minutes=minute)
        # Its price moves all the time, as that of cross margin does.
        see(store, position("a", 1, HOT[1][2] + minute % 3, seen))
    add_quiet_market(store, NOON, bars_before=3, bars_after=40)
    see(store, position("a", 1, COLD[1][0], NOON + timedelta(minutes=90)))
    lines = compared(store, tmp_path, LATER, NOON + timedelta(hours=3))
    assert [one.time for one in of_kind(lines, "position")] == [
        NOON + timedelta(minutes=1),
        NOON + timedelta(minutes=90),
    ]
    found = summarise(lines).positions
    assert (found.compared, found.observations) == (1, 2)
    assert (found.by_count.share, found.observations_share) == (0.0, 0.0)


def test_looking_often_finds_what_one_look_finds(store, tmp_path):
    for minute in (1, 7, 7, 20):
        seen = NOON + timedelta(minutes=minute)
        see(store, position(f"user {minute}", 1, HOT[1][1], seen))
    often = [NOON + timedelta(seconds=30 * n) for n in range(90)]
    once = compared(store, tmp_path / "1", often[-1])
    lines = compared(store, tmp_path / "2", *often)
    assert of_kind(lines, "position") == of_kind(once, "position")
    assert of_kind(lines, "map") == of_kind(once, "map")


def test_positions_of_before_the_start_are_left_alone(store, tmp_path):
    see(store, position("a", 1, HOT[1][2], NOON + timedelta(minutes=1)))
    lines = compared(store, tmp_path, LATER, start=NOON + timedelta(minutes=2))
    assert of_kind(lines, "position") == []


def test_without_a_map_nothing_is_compared(tmp_path):
    with Store.open(":memory:") as empty:
        see(empty, position("a", 1, HOT[1][2], SEEN))
        lines = compared(empty, tmp_path, SEEN, LATER)
    assert [one.result for one in of_kind(lines, "position")] == ["no map"]
    assert summarise(lines).positions.by_count is None


def test_liquidations_are_compared_with_the_share_of_their_candle_that_is_hot(store, tmp_path):
    # A bar from 12:05 whose low is 960: the zones at 962, 972 and 981 are 3 of its 40.
    market = {"exchange": "hyperliquid", "symbol": "BTCUSDT"}
    bar = np.datetime64((NOON + 12 * STEP).replace(tzinfo=None), "us")
    prices = {"open": 1000.0, "high": 1000.0, "low": 960.0, "close": 965.0, "volume": 0.0}
    candle = {name: np.array([value]) for name, value in prices.items()}
    store.add_candles(market | {"interval": STEP, "open_time": np.array([bar])} | candle)
    triggers = np.array([972.5, 972.4, 970.5, np.nan, 972.5])
    seconds = np.array([60, 61, 62, 63, 9000])
    store.add_liquidations(
        market
        | {
            "time": bar + seconds * np.timedelta64(1, "s"),
            "side": np.ones(5, np.int8),
            "quantity": np.ones(5),
            "price": np.array([940.0, 940.0, 940.0, 981.5, 940.0]),
            "trigger_price": triggers,
        }
    )
    lines = compared(store, tmp_path, NOON + timedelta(hours=5))
    found = of_kind(lines, "liquidation")
    assert [one.price for one in found] == [972.5, 972.4, 970.5, 981.5, 972.5]
    assert [one.hot for one in found] == [True, True, False, True, None]
    assert found[-1].result == "no map"  # hours after the data end
    assert found[0].covered == pytest.approx(3 / 40)
    summary = summarise(lines).liquidations
    # The first two fall together.
    assert (summary.happened, summary.compared) == (5, 3)
    assert summary.score.share == pytest.approx(2 / 3)
    assert summary.score.covered == pytest.approx(3 / 40)


def test_liquidations_that_only_the_exchanges_id_tells_apart_are_each_written_down(store, tmp_path):
    market = {"exchange": "hyperliquid", "symbol": "BTCUSDT"}
    time = np.datetime64((NOON + 4 * STEP).replace(tzinfo=None), "us")
    store.add_liquidations(
        market
        | {
            "time": np.array([time, time]),
            "side": np.ones(2, np.int8),
            "quantity": np.ones(2),
            "price": np.array([1000.0, 1000.0]),
            "trade_id": np.array([7, 8]),
        }
    )
    lines = compared(store, tmp_path, LATER, LATER, LATER)
    found = summarise(lines).liquidations
    assert (found.happened, found.compared) == (2, 1)


def test_positions_that_know_nothing_of_the_map_hit_what_the_zones_cover(store, tmp_path):
    rng = np.random.default_rng(3)
    sides = rng.choice([1, -1], 800)
    price = 1000.0 - sides * rng.uniform(0.0, 200.0, 800)
    rows = [
        position(f"{i}", int(side), float(at), SEEN, quantity=float(rng.pareto(3.0) + 0.1))
        for i, (side, at) in enumerate(zip(sides, price, strict=True))
    ]
    see(store, *rows)
    found = summarise(compared(store, tmp_path, LATER)).positions
    assert found.compared == 800
    assert found.by_count.verdict == "no skill measured"
    assert found.by_notional.verdict == "no skill measured"
    assert abs(found.rank_correlation) < 0.2


def test_positions_that_the_map_knows_are_told_from_blind_guesses(store, tmp_path):
    prices = [price for price in HOT[1] for _ in range(5)]
    see(store, *(position(f"{i}", 1, price, SEEN) for i, price in enumerate(prices)))
    found = summarise(compared(store, tmp_path, LATER)).positions
    assert (found.compared, found.by_count.share) == (35, 1.0)
    assert found.by_count.verdict == "more"
    assert found.rank_correlation > 0.5


def test_the_reach_is_the_readers(store, tmp_path):
    see(store, position("a", 1, HOT[1][0], SEEN), position("b", 1, HOT[1][6], SEEN))
    terms = Terms(
        "BTCUSDT", ("hyperliquid",), Assumptions(model="turnover"), reach=Reach(0.05, 0.02), users=7
    )
    lines = compared(store, tmp_path, LATER, terms=terms)
    results = {one.liquidation_price: one for one in of_kind(lines, "position")}
    assert results[HOT[1][0]].result == "outside"
    # One bucket of 50 is hot. Of 20x, 25x and 33x, within 5 %, the nearest has the most notional.
    assert sum(one > 0 for one in of_kind(lines, "map")[0].notional[:50]) == 3
    assert results[HOT[1][6]].covered == pytest.approx(1 / 50)


def test_what_the_map_knows_is_told_from_where_the_price_has_been(tmp_path):
    # Twelve bars at 1000 in which little changes hands, and one at 1010 in which much does. The
    # map's hot zones are of those who bought at 1010, 1010 (1 − 1/10) / 0.9875 = 920.5 for one; a
    # map that knows only where the price has been has those of 1000, such as 911.4.
    first = np.datetime64(NOON.replace(tzinfo=None), "us") - 13 * np.timedelta64(STEP)
    times = first + np.arange(13) * np.timedelta64(STEP)
    price, volume = np.full(13, 1000.0), np.ones(13)
    price[6], volume[6] = 1010.0, 100.0
    market = {"exchange": "hyperliquid", "symbol": "BTCUSDT"}
    prices = dict.fromkeys(("open", "high", "low", "close"), price)
    ends = first + np.arange(14) * np.timedelta64(STEP)
    terms = Terms(
        "BTCUSDT", ("hyperliquid",), Assumptions(model="turnover"), reach=Reach(0.2, 0.035), users=7
    )
    with Store.open(":memory:") as store:
        store.add_candles(
            market | {"interval": STEP, "open_time": times, "volume": volume} | prices
        )
        store.add_open_interest(market | {"time": ends, "open_interest": np.full(14, 200.0)})
        see(store, *(position(f"{i}", 1, 920.5, SEEN) for i in range(31)))
        see(store, *(position(f"short {i}", -1, 1086.5, SEEN) for i in range(4)))
        lines = compared(store, tmp_path, SEEN + timedelta(minutes=1), terms=terms)
    found = {one.liquidation_price: one for one in of_kind(lines, "position")}
    assert (found[920.5].hot, found[920.5].geometry_hot) == (True, False)
    assert (found[1086.5].hot, found[1086.5].geometry_hot) == (False, True)
    total = summarise(lines).positions
    assert (total.by_count.verdict, total.over_geometry.verdict) == ("more", "more")
    assert total.over_geometry.gain == pytest.approx(27 / 35)


def test_where_the_map_is_its_geometry_nothing_is_gained(store, tmp_path):
    see(store, *(position(f"{i}", 1, HOT[1][i % 7], SEEN) for i in range(40)))
    total = summarise(compared(store, tmp_path, LATER)).positions
    assert total.by_count.verdict == "more"
    assert total.over_geometry.verdict == "no skill measured"
