"""A day's picture depends on the bars up to its end alone, down to the last digit."""

from dataclasses import fields
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from engine.book import build_book
from engine.growth import GrowingBook
from engine.heatmap import Heatmap, rasterise
from tests.markets import START, STEP, markets, parameters, part

STEP64 = np.timedelta64(STEP)
EDGES = np.arange(0, 121, dtype=float) * 2.5


@given(markets(max_bars=80), parameters(), st.data())
def test_a_span_drawn_from_the_bars_up_to_its_end_equals_it_drawn_from_all(whole, assumed, data):
    times = span(data)
    before = int(np.searchsorted(whole.open_time + STEP64, times[-1], side="right"))
    begun, rest = part(whole, 0, before), part(whole, before, len(whole))
    known = rasterise(build_book(begun, assumed), times, EDGES)
    assert_same(rasterise(build_book(whole, assumed), times, EDGES), known)
    grown = GrowingBook(build_book(begun, assumed))
    for start, stop in cuts(data, len(rest)):
        grown.append(part(rest, start, stop))
    assert_same(rasterise(grown.book, times, EDGES), known)


@given(markets(max_bars=80), parameters(), st.data())
def test_a_columns_sums_do_not_depend_on_the_columns_before_it(whole, assumed, data):
    times = span(data)
    book = build_book(whole, assumed)
    first = data.draw(st.integers(0, times.size - 2))
    all_of_them, last = rasterise(book, times, EDGES), rasterise(book, times[first:], EDGES)
    ends = book.open_time + STEP64
    ledger = book.ledger
    per_bars = {"opened": ledger.born, "closed": ledger.closed, "liquidated": ledger.liquidated}
    for name, column in per_bars.items():
        assert_array_equal(getattr(last, name), getattr(all_of_them, name)[:, first:])
        per_bar = column[1:]
        summed = [
            per_bar[(ends > low) & (ends <= high)].sum(axis=0) for low, high in pairwise(times)
        ]
        assert_allclose(getattr(all_of_them, name), np.transpose(summed), rtol=1e-12)


def span(data):
    """Draw edges of columns, some of which may hold no bar or lie outside the market."""
    start, columns = data.draw(st.integers(-5, 70)), data.draw(st.integers(1, 12))
    width = data.draw(st.integers(1, 5))
    return START + (start + np.arange(columns + 1) * width) * STEP64


def cuts(data, count):
    """Draw pieces that bars are appended in."""
    inner = data.draw(st.lists(st.integers(0, count), max_size=3))
    bounds = [0, *sorted(inner), count]
    return list(pairwise(bounds))


def assert_same(one, other):
    for field in fields(Heatmap):
        assert_array_equal(getattr(one, field.name), getattr(other, field.name), field.name)
