"""Zones against a slow reading of their definition, and against guesses that know nothing."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.validate.statistics import wilson
from app.validate.summary import score
from app.validate.zones import STEP, Reach, zones_of
from engine.book import OpenLevels

reaches = st.builds(
    Reach, within=st.sampled_from([0.005, 0.02, 0.2, 0.5]), share=st.sampled_from([0.05, 0.1, 0.5])
)
seeds = st.integers(0, 2**32 - 1)


def drawn(rng, reach, price=1000.0, count=300):
    """Return random levels, of which some lie beyond the reach or on the wrong side."""
    return OpenLevels(
        price=price * (1.0 + rng.normal(0.0, reach.within, count)),
        size=rng.gamma(0.5, 1e6, count),
        side=rng.integers(0, 2, count).astype(np.int8),
        tier=np.zeros(count, np.int64),
        leverage=np.full(count, 10.0),
        entry=np.full(count, price),
        birth=np.zeros(count, np.int64),
    )


def slow_hot(levels, price, reach):
    """Return the hot buckets of each side as sets of (side, steps from the price)."""
    found = {0: {}, 1: {}}
    edges = [price * (1.0 + STEP * k) for k in range(-reach.buckets, reach.buckets + 1)]
    for at, notional, side in zip(levels.price, levels.notional, levels.side, strict=True):
        for k in range(reach.buckets):
            below = edges[reach.buckets - 1 - k], edges[reach.buckets - k]
            above = edges[reach.buckets + k], edges[reach.buckets + k + 1]
            low, high = above if side else below
            if low <= at < high:
                found[side][k] = found[side].get(k, 0.0) + notional
    return {
        (side, k)
        for side, held in found.items()
        for k in sorted(held, key=lambda k: (-round(held[k]), k))[: reach.most_hot]
        if round(held[k]) > 0
    }


@given(seeds, reaches)
def test_zones_are_as_defined(seed, reach):
    levels = drawn(np.random.default_rng(seed), reach, count=40)
    found = zones_of([levels], 1000.0, reach)
    count = reach.buckets
    hot = {(0, count - 1 - b) if b < count else (1, b - count) for b in np.flatnonzero(found.hot)}
    assert hot == slow_hot(levels, 1000.0, reach)


@given(seeds, reaches)
def test_guesses_that_know_nothing_hit_what_the_zones_cover(seed, reach):
    rng = np.random.default_rng(seed)
    found = zones_of([drawn(rng, reach)], 1000.0, reach)
    sides = rng.choice([1, -1], 2000)
    prices = 1000.0 * (1.0 - sides * rng.uniform(0.0, reach.buckets * STEP, 2000))
    guesses = zip(sides.tolist(), prices.tolist(), strict=True)
    places = [(found.place(side, price), found.covered(side)) for side, price in guesses]
    kept = [(place, covered) for place, covered in places if place is not None]
    assert len(kept) > 1900  # of the others, the edge of the reach was rounded away
    total = score(
        [place.hot for place, _ in kept],
        [covered for _, covered in kept],
        np.ones(len(kept)),
    )
    # Five standard deviations: seldom enough for a test that draws anew each time.
    spread = (max(total.covered * (1 - total.covered), 1e-4) / len(kept)) ** 0.5
    assert abs(total.share - total.covered) < 5.5 * spread


@given(seeds, reaches, st.floats(0.001, 1e6))
def test_zones_scale_with_the_price(seed, reach, factor):
    levels = drawn(np.random.default_rng(seed), reach, count=40)
    # Sizes so that notional stays as it is; away from edges, which rounding may move.
    steps = (levels.price / 1000.0 - 1.0) / STEP
    price = 1000.0 * (1.0 + (np.floor(steps) + 0.5) * STEP)
    before = replace(levels, price=price)
    after = replace(levels, price=price * factor, size=levels.size / factor)
    one, other = (
        zones_of([each], 1000.0 * scale, reach) for each, scale in ((before, 1.0), (after, factor))
    )
    assert np.abs(one.notional - other.notional).max() <= 1.0
    rows = np.flatnonzero(one.notional != other.notional)
    if not rows.size:
        assert one.hot.tolist() == other.hot.tolist()


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_an_interval_narrows_with_more_observations(count, share):
    few, many = wilson(share, count), wilson(share, 4 * count)
    assert many.high - many.low < few.high - few.low
