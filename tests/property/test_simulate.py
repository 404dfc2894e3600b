from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from engine.margin import SIDES
from engine.simulate import EXCHANGES, SYMBOLS, simulate_symbol
from engine.truth import true_map

START = datetime(2026, 1, 5, tzinfo=UTC)
STEP = np.timedelta64(5, "m")

markets = st.builds(
    simulate_symbol,
    st.sampled_from(sorted(SYMBOLS)),
    st.lists(st.sampled_from(sorted(EXCHANGES)), min_size=1, unique=True),
    start=st.just(START),
    bars=st.integers(1, 60),
    seed=st.integers(0, 2**63),
    warm_up=st.integers(0, 60),
)


@given(markets)
def test_candles_are_candles_and_every_side_holds_the_open_interest(markets):
    for one in markets.values():
        market, positions = one.market, one.positions
        assert np.all(market.low > 0)
        assert np.all(market.low <= np.minimum(market.open, market.close))
        assert np.all(market.high >= np.maximum(market.open, market.close))
        assert np.all((market.taker_buy_volume >= 0) & (market.taker_buy_volume <= market.volume))
        assert np.all(market.open_interest > 0)
        assert np.all(one.unlevered >= 0)
        for index, side in enumerate(SIDES):
            for bar, end in enumerate(market.open_time + STEP):
                is_open = (positions.opened < end) & ~(positions.ended < end)
                held = positions.quantity[is_open & (positions.side == side)].sum()
                both = held + one.unlevered[bar, index]
                assert_allclose(both, market.open_interest[bar], rtol=1e-12)


@given(markets)
def test_the_true_map_holds_what_has_a_liquidation_price_on_it(markets):
    for one in markets.values():
        price = one.positions.liquidation_price
        if not np.isfinite(price).any():
            continue
        times = np.append(one.market.open_time, one.market.open_time[-1] + STEP)
        edges = np.linspace(np.nanmin(price), np.nanmax(price) * 1.001, 50)
        shown = true_map(one.positions, times, edges)
        assert np.all(shown >= 0)
        last = np.isnat(one.positions.ended)
        expected = np.nansum((one.positions.quantity * price)[last])
        assert_allclose(shown[:, :, -1].sum(), expected, rtol=1e-9)
