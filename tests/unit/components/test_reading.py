from dataclasses import replace

import numpy as np
import pytest

from components.reading import read_cell, reading_card

from .conftest import START, positions, texts

MINUTE = np.timedelta64(1, "m")


def test_a_cell_is_found_by_its_time_and_price(view):
    reading = read_cell(view, START + 30 * MINUTE, 119.9)
    assert (reading.long, reading.short, reading.total) == (40.0, 0.0, 40.0)
    assert (reading.low, reading.high) == (100.0, 120.0)
    assert (reading.start, reading.stop) == (START, START + 60 * MINUTE)


def test_edges_belong_to_the_cell_that_they_begin(view):
    assert read_cell(view, START + 60 * MINUTE, 140.0).short == 20.0


@pytest.mark.parametrize(("minutes", "price"), [(-1, 110.0), (120, 110.0), (30, 99.9), (30, 160.0)])
def test_there_is_nothing_outside_the_map(view, minutes, price):
    assert read_cell(view, START + minutes * MINUTE, price) is None


def test_shares_are_of_what_is_open_in_the_cell(view):
    # 60 of 80 and 20 of 80.
    assert read_cell(view, START + 90 * MINUTE, 110.0).shares == {"binance": 0.75, "bybit": 0.25}


def test_an_empty_cell_has_no_shares(view):
    reading = read_cell(view, START + 90 * MINUTE, 130.0)
    assert reading.total == 0.0
    assert reading.shares == {}


def test_consumed_and_reported_liquidations_of_the_cell_are_read(view):
    reading = read_cell(view, START + 90 * MINUTE, 130.0)
    assert reading.consumed == 30.0
    assert reading.realised == 20.0
    assert read_cell(view, START + 30 * MINUTE, 130.0).realised == 0.0


def test_a_card_lists_what_there_is(view):
    heatmap = view.heatmap
    large = replace(view, heatmap=replace(heatmap, active=heatmap.active * 1e6))
    card = texts(reading_card(read_cell(large, START + 30 * MINUTE, 110.0)))
    assert card[:6] == ["At risk (modelled)", "$40.0M", "Long", "$40.0M", "Short", "$0"]
    assert "Crossed (modelled)" not in card


def test_a_card_names_exchanges_with_their_shares(view):
    card = texts(reading_card(read_cell(view, START + 90 * MINUTE, 110.0)))
    assert "Binance 75%" in card
    assert "Bybit 25%" in card


def test_a_card_outside_the_map_says_so():
    assert texts(reading_card(None)) == ["Outside the map"]


def test_observed_positions_of_the_cell_are_counted_and_summed(view):
    nan = float("nan")
    seen = positions(
        (0, 90, 110.0, 5e6, 1),  # in both hours
        (10, 20, 119.9, 3e6, -1),  # only in the first
        (0, 90, 130.0, 1e6, 1),  # at another price
        (0, 90, nan, 1e6, 1),  # never liquidated
    )
    seen_view = replace(view, positions=seen)
    first = read_cell(seen_view, START + 30 * MINUTE, 110.0)
    assert (first.observed.count, first.observed.notional) == (2, 8e6)
    second = read_cell(seen_view, START + 70 * MINUTE, 110.0)
    assert (second.observed.count, second.observed.notional) == (1, 5e6)
    card = texts(reading_card(first))
    assert card[card.index("Observed positions (Hyperliquid)") + 1] == "2, $8.0M"


def test_a_position_that_changed_within_a_cell_is_counted_once_as_it_was_at_last(view):
    changed = replace(
        positions((0, 20, 110.0, 5e6, 1), (21, 40, 111.0, 4e6, 1)), account=np.array([7, 7])
    )
    reading = read_cell(replace(view, positions=changed), START + 30 * MINUTE, 110.0)
    assert (reading.observed.count, reading.observed.notional) == (1, 4e6)


def test_a_cell_without_observed_positions_has_no_row_of_them(view):
    card = texts(reading_card(read_cell(view, START + 30 * MINUTE, 110.0)))
    assert not any("Observed" in text for text in card)


def test_a_card_names_each_of_four_exchanges(view):
    parts = {
        name: replace(view.heatmap, active=view.heatmap.active * share)
        for name, share in [("binance", 0.4), ("bybit", 0.3), ("hyperliquid", 0.2), ("okx", 0.1)]
    }
    reading = read_cell(replace(view, parts=parts), START + 90 * MINUTE, 110.0)
    card = texts(reading_card(reading))
    assert card[-4:] == ["Binance 40%", "Bybit 30%", "Hyperliquid 20%", "OKX 10%"]
