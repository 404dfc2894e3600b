from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from engine.margin import LONG, SHORT, liquidation_price
from engine.profiles import PROFILES
from engine.simulate import EXCHANGES, SYMBOLS, TRADERS, simulate_symbol
from engine.tiers import margin_rules
from engine.truth import REASONS

START = datetime(2026, 1, 5, tzinfo=UTC)
BARS = 144


def simulate(symbol="BTCUSDT", exchanges=("binance", "okx"), **changed):
    told = {"start": START, "bars": BARS, "seed": 13, "warm_up": 96} | changed
    return simulate_symbol(symbol, exchanges, **told)


@pytest.fixture(scope="module")
def simulated():
    return simulate()


@pytest.fixture(params=("binance", "okx"), scope="module")
def one(request, simulated):
    return simulated[request.param]


def lots(quantity):
    """Return quantities of BTCUSDT as the whole lots that they are."""
    whole = np.rint(np.asarray(quantity) * SYMBOLS["BTCUSDT"].lots)
    assert_allclose(whole / SYMBOLS["BTCUSDT"].lots, quantity, rtol=1e-12)
    return whole.astype(np.int64)


def bar_ends(market):
    return market.open_time + np.timedelta64(market.interval)


def bar_of(market, time):
    return (time - market.open_time[0]) // np.timedelta64(market.interval)


def test_bars_follow_each_other_and_each_opens_where_the_last_closed(one):
    market = one.market
    assert market.open_time[0] == np.datetime64("2026-01-05T00:00")
    assert_array_equal(np.diff(market.open_time), np.timedelta64(5, "m"))
    assert_array_equal(market.open[1:], market.close[:-1])


def test_candles_are_candles(one):
    market = one.market
    assert np.all(market.low > 0)
    assert np.all(market.low <= np.minimum(market.open, market.close))
    assert np.all(market.high >= np.maximum(market.open, market.close))
    assert np.all((market.taker_buy_volume >= 0) & (market.taker_buy_volume <= market.volume))
    average = market.quote_volume / market.volume
    assert np.all((average >= market.low * (1 - 1e-12)) & (average <= market.high * (1 + 1e-12)))


def test_prices_are_whole_ticks(one):
    for price in (one.market.close, one.market.low, one.positions.entry_price):
        assert_array_equal(np.rint(price * 10) / 10, price)


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_each_side_holds_exactly_the_open_interest_at_every_bars_end(one, side):
    positions, index = one.positions, (LONG, SHORT).index(side)
    held = np.array(
        [
            lots(positions.quantity[of_side & open_then]).sum()
            for end in bar_ends(one.market)
            for of_side in [positions.side == side]
            for open_then in [(positions.opened < end) & ~(positions.ended < end)]
        ]
    )
    assert_array_equal(held + lots(one.unlevered[:, index]), lots(one.market.open_interest))
    assert held.min() > 0


def test_open_interest_before_the_first_bar_is_that_of_the_bar_before():
    later = simulate(start=START + timedelta(minutes=50), bars=4, warm_up=106)["okx"].market
    whole = simulate(bars=14)["okx"].market
    assert later.initial_open_interest == whole.open_interest[9]
    assert_array_equal(later.open_interest, whole.open_interest[10:])
    assert_array_equal(later.close, whole.close[10:])


def test_open_interest_changes_by_no_more_than_what_was_traded(one):
    before = np.append(one.market.initial_open_interest, one.market.open_interest[:-1])
    assert np.all(np.abs(one.market.open_interest - before) <= one.market.volume)


def test_what_traders_open_and_close_fits_in_the_volume(one):
    positions, market = one.positions, one.market
    begun = (positions.continues < 0) & (positions.opened >= market.open_time[0])
    moved = np.zeros(len(market), np.int64)
    np.add.at(moved, bar_of(market, positions.opened[begun]), lots(positions.quantity[begun]))
    left = np.isin(positions.reason, [REASONS.index("closed"), REASONS.index("liquidated")])
    np.add.at(moved, bar_of(market, positions.ended[left]), lots(positions.quantity[left]))
    # Two traders at most meet in one trade.
    assert np.all(moved <= 2 * lots(market.volume))


def test_without_makers_the_volume_holds_what_traders_trade(monkeypatch):
    monkeypatch.setattr("engine.simulate_world._NOISE_PER_DAY", 0.0)
    monkeypatch.setattr("engine.simulate._TRADERS_PER_BAR", 0.5)
    one = simulate(exchanges=("okx",), warm_up=0, bars=576, seed=4)["okx"]
    market, positions = one.market, one.positions
    new = positions.continues < 0
    left = positions.reason != REASONS.index("margin added")
    bought, sold = np.zeros((2, len(market)), np.int64)
    for time, happened, sign in ((positions.opened, new, 1), (positions.ended, left, -1)):
        for total, side in ((bought, LONG), (sold, SHORT)):
            rows = happened & ~np.isnat(time) & (sign * positions.side == side)
            np.add.at(total, bar_of(market, time[rows]), lots(positions.quantity[rows]))
    assert np.all(lots(market.volume) >= np.maximum(bought, sold))
    # A long is closed by force with a taker's sell, a short with a buy.
    taker_sold = lots(market.volume) - lots(market.taker_buy_volume)
    assert np.all(taker_sold >= lots(one.liquidated[:, 0]))
    assert np.all(lots(market.taker_buy_volume) >= lots(one.liquidated[:, 1]))
    # Some forced closings are far more than anything else in their bar.
    assert one.liquidated.max() > 50.0


def test_realised_liquidations_are_those_of_the_truth(one):
    forced = one.positions.liquidated()
    events = one.liquidations
    assert events.time.size == forced.sum() > 0
    assert np.all(np.diff(events.time) >= np.timedelta64(0, "us"))
    for index, side in enumerate((LONG, SHORT)):
        of_side = events.side == side
        by_bar = np.zeros(BARS, np.int64)
        np.add.at(by_bar, bar_of(one.market, events.time[of_side]), lots(events.quantity[of_side]))
        assert_array_equal(by_bar, lots(one.liquidated[:, index]))


def test_a_liquidation_is_filled_at_the_first_tick_that_touches_its_price(one):
    forced = one.positions.where(one.positions.liquidated())
    beyond = forced.side * (forced.liquidation_price - forced.exit_price)
    assert np.all((beyond >= 0) & (beyond < 0.1))
    bar = bar_of(one.market, forced.ended)
    assert np.all(one.market.low[bar] <= forced.exit_price)
    assert np.all(one.market.high[bar] >= forced.exit_price)


def test_no_position_outlives_a_bar_that_touches_its_price(one):
    positions, market = one.positions, one.market
    for bar, end in enumerate(bar_ends(market)):
        survives = ~(positions.ended < end)
        old = survives & (positions.opened < market.open_time[bar])
        longs, shorts = (old & (positions.side == side) for side in (LONG, SHORT))
        assert not np.any(positions.liquidation_price[longs] >= market.low[bar])
        assert not np.any(positions.liquidation_price[shorts] <= market.high[bar])


def test_no_position_is_liquidated_before_a_bar_touches_its_price(one):
    forced = one.positions.where(one.positions.liquidated())
    bar = bar_of(one.market, forced.ended)
    touched = np.where(
        forced.side == LONG,
        one.market.low[bar] <= forced.liquidation_price,
        one.market.high[bar] >= forced.liquidation_price,
    )
    assert touched.all()
    assert np.all(forced.opened < forced.ended)


def price_at(one, row, leverage):
    """Return what the exchange's rules say of a position at some leverage."""
    (rules,), positions = one.market.margin, one.positions
    entry = float(positions.entry_price[row])
    notional = entry * float(positions.quantity[row])
    return liquidation_price(entry, leverage, int(positions.side[row]), rules, notional)


def test_liquidation_prices_are_those_of_the_exchanges_rules(one):
    positions = one.positions
    backed = positions.leverage / positions.backing
    by_rule = np.flatnonzero(backed >= 1.0)
    assert by_rule.size > 500
    for row in by_rule:
        expected = price_at(one, row, float(backed[row]))
        assert_allclose(positions.liquidation_price[row], expected, rtol=1e-12)


def test_cross_margin_is_liquidated_further_away_or_never(one):
    positions = one.positions
    cross = positions.backing > 1.0
    assert 0.3 < cross.mean() < 0.5
    for row in np.flatnonzero(cross & np.isfinite(positions.liquidation_price)):
        own = price_at(one, row, float(positions.leverage[row]))
        assert positions.side[row] * (own - positions.liquidation_price[row]) > 0
    # Only a long can be backed by all that it is worth.
    safe = np.isnan(positions.liquidation_price)
    assert safe.any()
    assert np.all(positions.side[safe] == LONG)
    assert np.all(positions.backing[safe] >= positions.leverage[safe])


def test_a_user_is_a_position_and_holds_one_row_at_a_time(one):
    positions, market = one.positions, one.market
    more = positions.continues >= 0
    assert_array_equal(positions.user[more], positions.user[positions.continues[more]])
    assert np.unique(positions.user).size == len(positions) - more.sum()
    for end in bar_ends(market)[::12]:
        users = positions.open_at(end).user
        assert np.unique(users).size == users.size > 100


def test_positions_keep_to_the_tier_of_their_leverage(one):
    (rules,) = one.market.margin
    notional = one.positions.quantity * one.positions.entry_price
    for leverage, value in zip(one.positions.leverage, notional, strict=True):
        assert leverage <= rules.tier_at(value).max_leverage


def test_margin_added_continues_a_position_with_a_farther_liquidation_price():
    positions = simulate(seed=3, warm_up=288)["binance"].positions
    new = np.flatnonzero(positions.continues >= 0)
    old = positions.continues[new]
    assert new.size > 0
    assert np.all(positions.reason[old] == REASONS.index("margin added"))
    assert_array_equal(positions.opened[new], positions.ended[old])
    for same in ("side", "quantity", "entry_price"):
        assert_array_equal(getattr(positions, same)[new], getattr(positions, same)[old])
    assert np.all(positions.leverage[new] < positions.leverage[old])
    farther = positions.liquidation_price[old] - positions.liquidation_price[new]
    assert np.all(positions.side[new] * farther > 0)


def test_exchanges_follow_one_price():
    markets = [one.market for one in simulate(exchanges=tuple(EXCHANGES)).values()]
    for other in markets[1:]:
        distance = np.abs(np.log(other.close / markets[0].close))
        assert 0 < distance.max() < 0.002


def test_exchanges_come_in_any_order(simulated):
    turned = simulate(exchanges=("okx", "binance"))
    assert_array_equal(turned["okx"].market.close, simulated["okx"].market.close)


def test_another_seed_is_another_market(simulated):
    other = simulate(seed=14)["binance"].market
    assert np.all(other.volume != simulated["binance"].market.volume)


def test_a_longer_market_begins_with_the_shorter_one(simulated):
    longer = simulate(bars=BARS + 30)["binance"]
    shorter = simulated["binance"]
    for name in ("open", "high", "low", "close", "volume", "open_interest", "taker_buy_volume"):
        assert_array_equal(getattr(longer.market, name)[:BARS], getattr(shorter.market, name))
    seen = longer.liquidations.time < bar_ends(shorter.market)[-1]
    assert_array_equal(longer.liquidations.time[seen], shorter.liquidations.time)


@pytest.mark.parametrize("warm_up", [0, 24])
def test_no_bars_are_an_empty_market(warm_up):
    empty = simulate(bars=0, warm_up=warm_up)["binance"]
    assert len(empty.market) == 0
    assert empty.liquidations.time.size == empty.funding_time.size == 0
    assert empty.market.initial_open_interest > 0


def test_one_bar_without_warm_up_opens_at_the_first_price():
    one = simulate(bars=1, warm_up=0)["binance"]
    assert len(one.market) == 1
    assert one.market.open[0] == SYMBOLS["BTCUSDT"].price
    assert one.market.open_interest[0] > 0


def test_funding_is_paid_every_eight_hours_of_the_day():
    late = START + timedelta(hours=3)
    paid = simulate(start=late, bars=2 * BARS, exchanges=("okx",))["okx"]
    expected = ["2026-01-05T08:00", "2026-01-05T16:00", "2026-01-06T00:00"]
    assert_array_equal(paid.funding_time, np.array(expected, "datetime64[us]"))
    assert np.all(np.abs(paid.funding_rate) <= 7.5e-4)


def test_start_is_a_moment_whatever_its_zone():
    zone = timezone(timedelta(hours=5))
    there = simulate(start=START.astimezone(zone), bars=3, warm_up=0)["okx"].market
    here = simulate(bars=3, warm_up=0)["okx"].market
    assert_array_equal(there.open_time, here.open_time)
    assert_array_equal(there.close, here.close)


def test_traders_leverages_are_no_named_profile():
    for profile in PROFILES.values():
        assert profile.leverage != TRADERS.leverage


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize("symbol", SYMBOLS)
def test_no_trader_exceeds_the_exchanges_leverage(exchange, symbol):
    positions = simulate(symbol, (exchange,), bars=6, warm_up=6)[exchange].positions
    assert positions.leverage.max() <= margin_rules(exchange, symbol)[-1].max_leverage


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"symbol": "DOGEUSDT"}, "simulated symbols are BTCUSDT, ETHUSDT, SOLUSDT, not 'DOGEUSDT'"),
        ({"exchanges": ("okx", "gate")}, "simulated exchanges are binance, bybit, okx, not gate"),
        ({"exchanges": ()}, "not none"),
        ({"bars": -1}, "bars must not be negative, but is -1"),
        ({"seed": -1}, "seed must not be negative"),
        ({"start": datetime(2026, 1, 1)}, "start must say its zone"),  # noqa: DTZ001
    ],
)
def test_what_cannot_be_simulated_is_said(changed, said):
    with pytest.raises(ValueError, match=said):
        simulate(**changed)
