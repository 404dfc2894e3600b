import numpy as np
import pytest

from engine.score.readability import readability

EDGES = np.linspace(6000.0, 14_000.0, 1001)
MIDDLE = (EDGES[:-1] + EDGES[1:]) / 2
COLUMNS = 120
WANDERING = 10_000.0 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.004, COLUMNS)))


def at_fixed_prices(seed=2):
    """Return a map that never changes: lumps at random prices, longs below, shorts above."""
    lumps = np.repeat(np.random.default_rng(seed).gamma(0.3, 1.0, 100), 10)
    return np.stack([np.where(MIDDLE < 10_000, lumps, 0), np.where(MIDDLE >= 10_000, lumps, 0)])


def lasting():
    return np.repeat(at_fixed_prices()[:, :, None], COLUMNS, axis=2)


def following(price):
    """Return the same map carried along with the price: nothing but its ghost."""
    still = at_fixed_prices()
    moved = [[np.interp(MIDDLE / now * 10_000.0, MIDDLE, rows) for now in price] for rows in still]
    return np.array(moved).transpose(0, 2, 1)


def fresh():
    """Return a map that is drawn anew in each column."""
    return np.stack([at_fixed_prices(seed) for seed in range(COLUMNS)], axis=2)


def test_what_stays_at_its_price_persists_and_has_no_ghosts():
    found = readability(lasting(), EDGES, WANDERING)
    assert found.persistence > 0.9
    assert found.ghosts < 0.2


def test_what_follows_the_price_is_a_ghost_and_does_not_persist():
    found = readability(following(WANDERING), EDGES, WANDERING)
    assert found.ghosts > 0.9
    assert found.persistence < 0.2


def test_what_is_drawn_anew_neither_persists_nor_follows():
    found = readability(fresh(), EDGES, WANDERING)
    assert abs(found.persistence) < 0.1
    assert abs(found.ghosts) < 0.1


def test_an_even_map_has_a_tenth_in_its_fullest_tenth():
    # Rows of 40 within 500 of a price of 10,000: 24, of which two count.
    found = readability(np.ones((2, 1000, COLUMNS)), EDGES, np.full(COLUMNS, 10_000.0))
    assert found.fullest_tenth == pytest.approx(2 / 24)


def test_all_in_one_row_is_all_in_the_fullest_tenth():
    rows = np.zeros((2, 1000, COLUMNS))
    rows[0, 480] = 1.0
    found = readability(rows, EDGES, np.full(COLUMNS, 10_000.0))
    assert found.fullest_tenth == 1.0


def zone(*prices):
    """Return a map with one zone of shorts, at a price for each of equal runs of columns."""
    rows = np.zeros((2, 1000, COLUMNS))
    for column in range(COLUMNS):
        price = prices[column * len(prices) // COLUMNS]
        if price:
            rows[1, np.searchsorted(EDGES, price), column] = 1.0
    return rows


@pytest.mark.parametrize(
    ("prices", "jumps"),
    [
        ((10_400,), 0),
        ((10_400, 10_410), 0),  # .1 %
        ((10_400, 10_450), 1),
        ((10_400, None), 1),
        ((10_400, None, 10_400), 2),
        ((10_400, 10_450, 10_400), 2),
        ((None,), 0),
    ],
)
def test_the_nearest_zone_jumps_where_it_comes_goes_or_moves(prices, jumps):
    found = readability(zone(*prices), EDGES, np.full(COLUMNS, 10_000.0))
    # Looks at columns 3, 7, … 119.
    assert (found.looks, found.long_jumps, found.short_jumps) == (29, 0, jumps)


def test_a_price_that_never_moves_has_no_ghosts():
    assert readability(lasting(), EDGES, np.full(COLUMNS, 10_000.0)).ghosts == 0.0


def test_too_short_a_map_is_rejected():
    with pytest.raises(ValueError, match="columns at least 48"):
        readability(np.ones((2, 1000, 47)), EDGES, np.full(47, 10_000.0))
    with pytest.raises(ValueError, match="rows must be a multiple of 5"):
        readability(np.ones((2, 999, COLUMNS)), EDGES[:-1], WANDERING)
