"""Observed positions, from the database to the view."""

from datetime import timedelta

import numpy as np
import pytest

from app.heatmaps import StoredHeatmaps
from app.request import HeatmapRequest
from app.settings import Settings
from ingest.positions import add_observed_positions
from ingest.records import LONG, SHORT, ObservedPosition
from tests.stores import START, STEP, add_market, memory_store

REQUEST = HeatmapRequest(symbol="BTCUSDT", start=START + 100 * STEP, stop=START + 500 * STEP)
SEEN = START + 200 * STEP


def position(**changes):
    return ObservedPosition(
        **{
            "exchange": "hyperliquid",
            "symbol": "BTCUSDT",
            "user": "0xaa",
            "side": LONG,
            "quantity": 2.0,
            "entry_price": 100.0,
            "leverage": 20.0,
            "isolated": True,
            "liquidation_price": 96.0,
            "margin": 10.0,
            "time": SEEN,
        }
        | changes
    )


@pytest.fixture
def store():
    with memory_store() as store:
        add_market(store, "binance", seed=1)
        add_market(store, "hyperliquid", seed=2)
        yield store


@pytest.fixture
def heatmaps(store, tmp_path):
    heatmaps = StoredHeatmaps(store, Settings(cache_dir=tmp_path / "cache"))
    yield heatmaps
    heatmaps.close()


def test_a_view_has_the_positions_seen_in_it(store, heatmaps):
    minute = timedelta(minutes=1)
    rows = [position(), position(time=SEEN + minute)]
    rows.append(position(time=SEEN + 2 * minute, quantity=3.0))
    rows.append(position(user="0xbb", side=SHORT, liquidation_price=105.0))
    rows.append(position(user="0xcc", liquidation_price=None))
    rows.append(position(user="0xdd", time=START))
    add_observed_positions(store, rows)
    seen = heatmaps.view(REQUEST).positions
    order = np.lexsort((seen.first_seen, -seen.side))
    # What has no liquidation price, and what was seen before, is left out.
    assert seen.side[order].tolist() == [1, 1, -1]
    assert seen.notional[order].tolist() == [2 * 96.0, 3 * 96.0, 2 * 105.0]
    assert (seen.last_seen - seen.first_seen)[order][0] == np.timedelta64(1, "m")
    changed, later, other = seen.account[order]
    assert changed == later != other


def test_new_positions_are_in_the_next_view(store, heatmaps):
    assert heatmaps.view(REQUEST).positions.side.size == 0
    add_observed_positions(store, [position()])
    assert heatmaps.view(REQUEST).positions.side.size == 1


def test_positions_of_exchanges_that_are_not_shown_are_not(store, heatmaps):
    add_observed_positions(store, [position()])
    alone = REQUEST.model_copy(update={"exchanges": ("binance",)})
    assert heatmaps.view(alone).positions.side.size == 0
