from dataclasses import replace

import numpy as np
import pytest

from components.reading import read_cell, reading_card

from .conftest import START, texts

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
    assert card[:6] == ["At risk", "$40.0M", "Long", "$40.0M", "Short", "$0"]
    assert "Consumed (model)" not in card


def test_a_card_names_exchanges_with_their_shares(view):
    card = texts(reading_card(read_cell(view, START + 90 * MINUTE, 110.0)))
    assert "Binance 75%" in card
    assert "Bybit 25%" in card


def test_a_card_outside_the_map_says_so():
    assert texts(reading_card(None)) == ["Outside the map"]
