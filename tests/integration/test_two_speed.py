"""The default model on a real market, to the digits of an independent computation."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from engine.book import build_book
from engine.models import find_model
from engine.profiles import TurningLadder
from tests.real_markets import five_minute_market

# Growth of closings, Φ, after some bars: of longs, of shorts.
GROWTH = {
    0: (6.67980100536, 6.67980100536),
    1: (8.69073532992, 8.55695403958),
    2: (9.34052187981, 9.22512495468),
    1000: (81.0989907569, 78.4191070537),
    10000: (392.870636518, 398.195391502),
    20000: (883.09814109, 949.504545076),
    25919: (1246.96070529, 1323.76006704),
}
CROSSED = (1_974_037.8954, 1_621_179.7139)  # [base]


@pytest.fixture(scope="module")
def book():
    return build_book(five_minute_market(), find_model("two-speed").parameters)


def test_closings_grow_as_computed_elsewhere(book):
    fast = (book.ledger.epoch * (512.0 * np.log(2.0)) - np.log(book.ledger.survival))[:, :, 0]
    assert len(book) == 25_920
    for bar, wanted in GROWTH.items():
        assert_allclose(fast[bar + 1], wanted, rtol=1e-9)


def test_as_much_is_crossed_as_computed_elsewhere(book):
    assert_allclose(book.ledger.liquidated.sum(axis=0), CROSSED, rtol=1e-9)


def test_both_sides_tie_to_open_interest_after_every_bar(book):
    total = book.ledger.held + book.ledger.pool
    assert_allclose(total, np.stack([book.open_interest] * 2, axis=1), rtol=1e-9)


def test_the_ladder_stands_where_it_should(book):
    # Bar 5,881,920 since 1970: u = 0.618… of it, without the whole.
    number = np.array([book.open_time[0].astype("datetime64[us]").astype(np.int64) // 300_000_000])
    turn = TurningLadder.turns(number)[0]
    first = book.leverage(np.zeros(28, np.int64), np.arange(28))
    assert_allclose(first, 2.0 * 75.0 ** ((np.arange(28) + turn) / 28), rtol=1e-12)
    entry = book.bars.entry[0, 0]
    longs = book.price(np.zeros(28, int), np.zeros(28, int), np.arange(28))
    assert_allclose(longs, entry * (1.0 - 1.0 / first) / (1.0 - 0.004), rtol=1e-12)
