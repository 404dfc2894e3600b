"""The ladder that scores must show on the simulated market: truth, then models, then geometry.

When and open positions, on five seeds. A score that does not rank the truth first, or a map that
knows only where the price was above models that know volume and open interest, would be wrong.
"""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from engine.models import MODELS
from engine.score import Liquidations, ObservedPositions
from engine.score.events import periods_of
from engine.score.nulls import nulls_of
from engine.score.positions import locate, map_cells, place
from engine.score.recovery import recover
from engine.score.sampling import Moments, held_by, held_in, hours_of
from engine.score.when import gain_over
from engine.simulate import simulate_symbol
from engine.truth import true_map
from tests.scored import span

DAYS = 45
SEEDS = (1, 2, 3, 4, 5)
WHEN = ("two-speed", "turnover", "time-evolving")
PLACED = ("two-speed", "layered", "turnover", "time-evolving")


def seen(positions, hours, every=10):
    """Return one in ten traders' positions as seen at each of some hours."""
    holder = np.arange(len(positions))
    for row in np.flatnonzero(positions.continues >= 0):
        holder[row] = holder[positions.continues[row]]
    rows = np.flatnonzero(holder % every == 0)
    first = np.searchsorted(hours.time, positions.opened[rows], side="right")
    last = np.searchsorted(hours.time, positions.ended[rows], side="right")
    last[np.isnat(positions.ended[rows])] = len(hours)
    row = np.repeat(rows, last - first)
    hour = np.concatenate([np.arange(*ends) for ends in zip(first, last, strict=True)])
    return ObservedPositions(
        hours.time[hour], holder[row], positions.side[row], positions.liquidation_price[row]
    )


class World:
    """One seed's market with its truth, and what is known of it."""

    def __init__(self, seed):
        start = datetime(2026, 1, 5, tzinfo=UTC)
        simulated = simulate_symbol(
            "BTCUSDT", ("binance",), start=start, bars=288 * DAYS, seed=seed
        )["binance"]
        self.market, forced = simulated.market, simulated.liquidations
        self.liquidations = Liquidations.of(
            forced.time,
            forced.side,
            forced.price,
            forced.price * forced.quantity,
            span(self.market),
        )
        every = hours_of(self.market, timedelta(days=10))
        self.hours = Moments(every.time[::3], every.price[::3])
        self.truth = held_in(lambda times, edges: true_map(simulated.positions, times, edges))
        self.located = locate(seen(simulated.positions, self.hours), self.hours)
        self.periods = periods_of(self.market, self.liquidations)

    def geometry(self, model):
        return next(nulls_of(self.market, MODELS[model].parameters)).build_book()

    def matched(self, held):
        return place(map_cells(held, self.located.moments), self.located).matched.value


@pytest.fixture(scope="module", params=SEEDS)
def world(request):
    return World(request.param)


def test_models_know_when_better_than_geometry_and_worse_than_the_truth(world):
    for model in WHEN:
        crossed, geometry = (
            world.periods.total(book.crossed())
            for book in (MODELS[model].build_book(world.market), world.geometry(model))
        )
        of_model = gain_over(crossed, world.periods, "geometry", geometry).both.value
        of_truth = gain_over(world.periods.realised, world.periods, "geometry", geometry).both
        assert 0.0 < of_model < of_truth.value, model
        assert of_truth.value == pytest.approx(1.0)


def test_models_place_positions_better_than_geometry_and_worse_than_the_truth(world):
    truth = world.matched(world.truth)
    for model in PLACED:
        of_model = world.matched(held_by(MODELS[model].build_book(world.market)))
        of_geometry = world.matched(held_by(world.geometry(model)))
        assert of_geometry < of_model < truth, model


def test_the_truth_is_recovered_from_the_truth_alone(world):
    truth, model = (
        recover(held, world.truth, world.hours, world.liquidations)
        for held in (world.truth, held_by(MODELS["two-speed"].build_book(world.market)))
    )
    assert truth.distance == 0.0
    assert truth.rank_correlation == pytest.approx(1.0)
    assert truth.distance < model.distance
    assert truth.hottest.low > 0.1
