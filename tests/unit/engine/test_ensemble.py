"""Ensembles: the weighted mean of several models' books, whatever one asks of it."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from engine.ensemble import growing
from engine.heatmap import rasterise
from engine.models import MODELS, find_model, members_of
from tests.markets import START, market, markets, part

MIX = "two-speed:2,layered:1,turnover"
SHARES = {"two-speed": 0.5, "layered": 0.25, "turnover": 0.25}


@pytest.fixture
def candles():
    return [(100, 101, 99, 100), (100, 104, 98, 103), (103, 103, 90, 91), (91, 95, 90, 94)]


def grid_of(whole):
    ends = START + np.arange(len(whole) + 2) * np.timedelta64(whole.interval)
    return ends, np.linspace(20.0, 220.0, 81)


def test_weights_are_shares_of_their_sum():
    assert [(model.name, share) for model, share in members_of(MIX)] == list(SHARES.items())


def test_it_needs_what_any_member_needs():
    mixed = find_model("ensemble", members="volume-profile,funding-adjusted").parameters
    assert mixed.needs_funding
    assert mixed.follows_interest
    assert not find_model("ensemble", members=MIX).parameters.needs_funding


@pytest.mark.parametrize(
    "names", list(permutations([name for name in MODELS if name != "ensemble"], 2))
)
def test_what_it_needs_depends_on_no_order_of_its_members(names):
    mixed = find_model("ensemble", members=",".join(names)).parameters
    members = [MODELS[name].parameters for name in names]
    assert mixed.follows_interest == any(member.follows_interest for member in members)
    assert mixed.needs_funding == any(member.needs_funding for member in members)
    assert mixed.ties == all(member.ties for member in members)
    # Whoever reads an ensemble's side rule asks for taker volume alone, which no member needs.
    assert "taker" not in {member.side_rule for member in members}


@given(markets())
def test_a_picture_is_the_mean_of_its_members_pictures(whole):
    book = find_model("ensemble", members=MIX).build_book(whole)
    drawn = rasterise(book, *grid_of(whole))
    alone = {
        name: rasterise(find_model(name).build_book(whole), *grid_of(whole)) for name in SHARES
    }
    for field in ("active", "consumed", "opened", "closed", "liquidated", "tracked"):
        mean = sum(share * getattr(alone[name], field) for name, share in SHARES.items())
        assert_allclose(getattr(drawn, field), mean, rtol=1e-12, atol=1e-9)
    assert_array_equal(drawn.open_interest, alone["turnover"].open_interest)
    assert drawn.ties


@given(markets(), st.data())
def test_it_is_read_as_one_book_is(whole, data):
    model = find_model("ensemble", members=MIX)
    book = model.build_book(whole)
    known = data.draw(st.integers(0, len(whole)))
    early = model.build_book(part(whole, 0, known))
    moment = START if not known else whole.open_time[known - 1] + np.timedelta64(whole.interval)
    until = book.until(moment)
    assert len(until) == len(early) == known
    grown = growing(until)
    grown.append(part(whole, known, len(whole)))
    for ours, theirs in ((until, early), (grown.book, book)):
        assert_array_equal(ours.stop, theirs.stop)
        assert_array_equal(ours.gap, theirs.gap)
        assert_array_equal(ours.held, theirs.held)
        assert_array_equal(ours.crossed(), theirs.crossed())
        levels, others = ours.open_levels(), theirs.open_levels()
        for name in ("price", "size", "side", "tier", "birth"):
            assert_array_equal(getattr(levels, name), getattr(others, name))
        assert_allclose(levels.size.sum(), ours.held[-1].sum(), rtol=1e-7, atol=1e-7)
    if known:
        low, high = early.price_range()
        price = early.open_levels().price
        assert ((price >= low) & (price <= high)).all()


def test_levels_name_their_place_in_the_leverages_of_all_members(candles):
    whole = market(candles, [110.0, 120.0, 118.0, 121.0])
    book = find_model("ensemble", members="turnover,layered").build_book(whole)
    levels = book.open_levels()
    leverages = np.array(book.parameters.profile.leverage)
    assert levels.size.size
    assert_array_equal(leverages[levels.tier], levels.leverage)


def test_the_mean_ties_only_if_all_members_do(candles):
    unknown = np.full(4, np.nan)
    assert not find_model("ensemble", members="turnover,volume-profile").parameters.ties
    free = find_model("ensemble", members="volume-profile,coinglass-like")
    assert not free.parameters.ties
    assert not free.parameters.follows_interest
    assert free.build_book(market(candles, unknown, initial=np.nan)).held[-1].sum() > 0.0
    bound = find_model("ensemble", members="turnover,volume-profile")
    with pytest.raises(ValueError, match="open interest before the first bar"):
        bound.build_book(market(candles, unknown, initial=np.nan))


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ("", "one is ''"),
        ("best", r"members must be models, each of .*turnover"),
        ("ensemble", "one is 'ensemble'"),
        ("turnover:0", "positive numbers, but one is 'turnover:0'"),
        ("turnover:much", "one is 'turnover:much'"),
        ("turnover:inf", "one is 'turnover:inf'"),
    ],
)
def test_bad_members_are_named(members, reason):
    with pytest.raises(ValueError, match=reason):
        find_model("ensemble", members=members)


def test_an_ensemble_assumes_what_its_members_do():
    with pytest.raises(ValueError, match="closing can't be changed; choose other members"):
        find_model("ensemble", closing="none")
    with pytest.raises(ValueError, match="turnover has no members"):
        find_model("turnover", members="layered")
    assert MODELS["ensemble"].parameters.members == "two-speed:1,layered:1"
