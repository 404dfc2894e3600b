"""The invariants of the model, on random markets."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from engine.book import build_book
from engine.growth import GrowingBook
from engine.heatmap import combine, rasterise
from engine.parameters import Parameters
from engine.reference import build_reference, draw_reference
from tests.markets import START, STEP, market, markets, parameters, part, several_speeds_only

STEP64 = np.timedelta64(STEP)


def grid_of(whole, columns=7, buckets=40):
    """Return column and bucket edges that hold a market, uneven columns included."""
    bars = 1 + int((whole.open_time[-1] - START) / STEP64) if len(whole) else 5
    cuts = np.unique(np.linspace(0, bars, columns + 1).astype(int))
    low = whole.low.min() if len(whole) else 50.0
    high = whole.high.max() if len(whole) else 150.0
    return START + cuts * STEP64, np.linspace(low * 0.4, high * 1.8, buckets + 1)


def closings_of(book):
    """Return the logarithm of what closing took of each kind so far, shape (n + 1, 2, kinds)."""
    return book.ledger.epoch * (512.0 * np.log(2.0)) - np.log(book.ledger.survival)


@given(markets(), parameters())
def test_compiled_engine_agrees_with_the_reference(whole, assumed):
    book, reference = build_book(whole, assumed), build_reference(whole, assumed)
    scale = max(1.0, np.nanmax(book.open_interest))
    assert_allclose(
        book.ledger.held[1:],
        np.reshape(reference.tracked, (-1, 2)),
        rtol=1e-7,
        atol=1e-9 * scale,
    )
    assert_allclose(
        book.ledger.pool[1:], np.reshape(reference.pool, (-1, 2)), rtol=1e-7, atol=1e-9 * scale
    )
    if assumed.funding:  # drawn where funding moved them to (tests/unit/engine/test_funding.py)
        return
    times, edges = grid_of(whole)
    picture = rasterise(book, times, edges)
    active, consumed = draw_reference(reference, whole, times, edges)
    assert_allclose(picture.active, active, rtol=1e-6, atol=1e-7 * scale * edges[-1])
    assert_allclose(picture.consumed, consumed, rtol=1e-6, atol=1e-7 * scale * edges[-1])


@given(markets(), parameters(["proportional", "nearest"]))
def test_levels_and_pool_tie_to_open_interest_after_every_bar(whole, assumed):
    book = build_book(whole, assumed)
    total = book.ledger.held + book.ledger.pool
    scale = max(1.0, book.open_interest.max())
    assert_allclose(total, np.stack([book.open_interest] * 2, axis=1), rtol=1e-9, atol=1e-9 * scale)


@given(markets(), parameters())
def test_drawn_levels_sum_to_what_the_ledger_tracks(whole, assumed):
    book = build_book(whole, assumed)
    times, _ = grid_of(whole)
    # Every price that a level of at least 2x can have, and a bucket more: what funding moves is
    # split over two.
    edges = np.linspace(-1e5, 1e6, 56)
    picture = rasterise(book, times, edges, measure="size")
    scale = max(1.0, book.open_interest.max(), book.ledger.born.max(initial=0.0))
    assert_allclose(picture.active.sum(axis=1), picture.tracked, rtol=1e-6, atol=1e-7 * scale)
    assert_allclose(picture.consumed.sum(axis=1), picture.liquidated, rtol=1e-6, atol=1e-7 * scale)


@given(markets(), parameters())
def test_opened_is_active_and_liquidated_and_closed(whole, assumed):
    ledger = build_book(whole, assumed).ledger
    gone = np.cumsum(ledger.closed + ledger.liquidated, axis=0) + ledger.held
    opened = np.cumsum(ledger.born, axis=0)
    assert_allclose(gone, opened, rtol=1e-9, atol=1e-9 * max(1.0, opened.max()))


@given(markets(), parameters(), st.data())
def test_later_bars_do_not_change_what_was(whole, assumed, data):
    known = data.draw(st.integers(0, len(whole)))
    early, late = build_book(part(whole, 0, known), assumed), build_book(whole, assumed)
    for before, now in zip(early.ledger, late.ledger, strict=True):
        assert_array_equal(before, now[: known + 1])
    if known:
        times, edges = grid_of(part(whole, 0, known))
        assert_array_equal(
            rasterise(early, times, edges).active, rasterise(late, times, edges).active
        )


@given(markets(), parameters(), st.data())
def test_a_book_until_a_moment_is_the_book_of_the_bars_ended_by_then(whole, assumed, data):
    minutes = data.draw(st.integers(-10, 5 * len(whole) + 10))
    moment = START + np.timedelta64(minutes, "m")
    known = int((whole.open_time + STEP64 <= moment).sum())
    late, early = build_book(whole, assumed), build_book(part(whole, 0, known), assumed)
    until = late.until(moment)
    assert len(until) == known
    for name in ("open_time", "close", "open_interest"):
        assert_array_equal(getattr(until, name), getattr(early, name))
    for name in ("bars", "ledger", "closings"):
        for ours, theirs in zip(getattr(until, name), getattr(early, name), strict=True):
            assert_array_equal(ours, theirs)
    assert_array_equal(until.is_alive(), early.is_alive())
    ours, theirs = until.open_levels(), early.open_levels()
    for name in ("price", "size", "side", "tier", "birth"):
        assert_array_equal(getattr(ours, name), getattr(theirs, name))
    assert_array_equal(until.stop, early.stop)
    assert_array_equal(until.last.open_interest, early.last.open_interest)


@given(markets(), parameters(), st.data())
def test_a_book_until_a_moment_grows_to_the_whole_again(whole, assumed, data):
    known = data.draw(st.integers(0, len(whole)))
    at_once = build_book(whole, assumed)
    moment = START if not known else whole.open_time[known - 1] + STEP64
    growing = GrowingBook(at_once.until(moment))
    growing.append(part(whole, known, len(whole)))
    for ours, theirs in zip(growing.book.ledger, at_once.ledger, strict=True):
        assert_array_equal(ours, theirs)
    assert_array_equal(growing.book.bars.gap, at_once.bars.gap)
    ours, theirs = growing.book.open_levels(), at_once.open_levels()
    for name in ("price", "size", "birth"):
        assert_array_equal(getattr(ours, name), getattr(theirs, name))


@given(markets(), parameters(), st.data())
def test_appending_bars_equals_computing_them_at_once(whole, assumed, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    growing = GrowingBook(build_book(part(whole, 0, cuts[0] if cuts else 0), assumed))
    earlier = growing.book
    for start, stop in zip([*cuts, 0][:-1] or [0], [*cuts[1:], len(whole)], strict=True):
        growing.append(part(whole, start, stop))
    grown, at_once = growing.book, build_book(whole, assumed)
    for ours, theirs in zip(grown.ledger, at_once.ledger, strict=True):
        assert_array_equal(ours, theirs)
    times, edges = grid_of(whole)
    for name in ("active", "consumed", "tracked", "open_interest"):
        assert_array_equal(
            getattr(rasterise(grown, times, edges), name),
            getattr(rasterise(at_once, times, edges), name),
        )
    # A book that was handed out before does not change.
    again = build_book(part(whole, 0, len(earlier)), assumed)
    assert_array_equal(
        rasterise(earlier, times, edges).active, rasterise(again, times, edges).active
    )


@given(markets(), parameters(), st.sampled_from([0.5, 2.0, 1024.0]))
def test_scaling_prices_scales_levels(whole, assumed, factor):
    # Powers of two, so that no price rounds and no touch turns into a miss.
    names = ["open", "high", "low", "close", "crossing_high", "crossing_low", "quote_volume"]
    dearer = replace(whole, **{name: getattr(whole, name) * factor for name in names})
    ours, theirs = build_book(whole, assumed), build_book(dearer, assumed)
    assert_array_equal(ours.death, theirs.death)
    assert_allclose(theirs.open_levels().price, ours.open_levels().price * factor)
    assert_array_equal(theirs.open_levels().size, ours.open_levels().size)


@given(markets(), parameters(), st.sampled_from([0.25, 4.0]))
def test_scaling_volumes_scales_sizes(whole, assumed, factor):
    names = ["volume", "quote_volume", "taker_buy_volume", "open_interest"]
    larger = replace(
        whole,
        initial_open_interest=whole.initial_open_interest * factor,
        **{name: getattr(whole, name) * factor for name in names},
    )
    ours, theirs = build_book(whole, assumed), build_book(larger, assumed)
    assert_array_equal(theirs.ledger.held, ours.ledger.held * factor)


@given(markets(with_gaps=False), parameters(["proportional", "nearest"]))
def test_constant_open_interest_without_turnover_creates_nothing(whole, assumed):
    still = replace(
        whole,
        open_interest=np.full(len(whole), 100.0),
        initial_open_interest=100.0,
    )
    book = build_book(still, replace(assumed, turnover=0.0))
    assert book.ledger.born.sum() == 0.0
    assert book.ledger.held.sum() == 0.0


@given(markets(), parameters())
def test_no_level_survives_the_price_that_touched_it(whole, assumed):
    for count in range(1, len(whole) + 1, 7):
        book = build_book(part(whole, 0, count), assumed)
        levels = book.open_levels()
        old = (levels.birth < count - 1) & (levels.size > 0.0)
        longs, shorts = old & (levels.side == 0), old & (levels.side == 1)
        assert (levels.price[longs] < whole.low[count - 1]).all()
        assert (levels.price[shorts] > whole.high[count - 1]).all()


@given(markets(max_bars=30), markets(max_bars=30), parameters())
def test_combined_map_is_the_sum_of_its_parts(one, other, assumed):
    times, edges = grid_of(one)
    parts = [rasterise(build_book(each, assumed), times, edges) for each in (one, other)]
    assert_allclose(combine(parts).active, parts[0].active + parts[1].active)
    assert_allclose(combine(parts).open_interest, parts[0].open_interest + parts[1].open_interest)


@given(markets(), parameters(["proportional"]))
def test_two_equal_speeds_are_one_speed_where_no_side_is_nearly_emptied(whole, assumed):
    one = build_book(whole, replace(assumed, speeds="one"))
    two = build_book(whole, replace(assumed, speeds="two", speed_ratio=1.0))
    # From the bar on in which the cap on closings may bind, they may differ.
    emptied = (np.diff(closings_of(one)[:, :, 0], axis=0) > -np.log(0.0015)).any(axis=1)
    known = int(np.argmax(emptied)) if emptied.any() else len(whole)
    scale = max(1.0, one.open_interest.max())
    rows = slice(0, known + 1)
    assert_allclose(two.ledger.held[rows], one.ledger.held[rows], rtol=1e-9, atol=1e-9 * scale)
    assert_allclose(
        two.ledger.liquidated[rows], one.ledger.liquidated[rows], rtol=1e-9, atol=1e-9 * scale
    )


@given(markets(), several_speeds_only())
def test_slower_holders_never_keep_a_smaller_share(whole, assumed):
    book = build_book(whole, assumed)
    slow_first = np.argsort(book.holders.speed, kind="stable")
    for birth in range(0, len(book), 9):
        gone = closings_of(book)
        share = np.exp(gone[birth] - gone[-1])[:, slow_first]
        assert (np.diff(share, axis=1) <= 1e-12).all()


def test_decay_over_many_epochs_stays_exact_and_positive():
    # A third of everything closes in each of 2,000 bars: (2/3)^2000 is below what a float holds.
    candles = [(100, 101, 99, 100)] * 2000
    whole = market(candles, np.full(2000, 300.0), initial=300.0, volume=100.0)
    assumed = Parameters(turnover=1.0, side_rule="symmetric")
    book = build_book(whole, assumed)
    assert book.ledger.epoch[-1, 0, 0] > 1
    assert_allclose(book.ledger.held[-1], 300.0, rtol=1e-9)
    assert_allclose(book.open_levels().size.sum(), 600.0, rtol=1e-9)


def test_growing_refuses_bars_of_another_market():
    whole = market([(100, 101, 99, 100)] * 4, [100.0] * 4)
    growing = GrowingBook(build_book(part(whole, 0, 2), Parameters()))
    with pytest.raises(ValueError, match="ETHUSDT on binance"):
        growing.append(replace(part(whole, 2, 3), symbol="ETHUSDT"))
    with pytest.raises(ValueError, match="must start at"):
        growing.append(part(whole, 1, 3))
