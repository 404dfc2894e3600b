from base64 import b64decode
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
from numpy.testing import assert_array_equal

from components.arrays import milliseconds
from components.figure import LAYERS, Look, heatmap_figure
from components.position_traces import MOST_POSITIONS, largest_positions, position_traces
from components.scales import colour_scale
from components.view import Positions

from .conftest import START, positions

MINUTE = 60_000.0
BEGIN = float(milliseconds(START))


def decoded(specification):
    return np.frombuffer(b64decode(specification["bdata"]), specification["dtype"])


def drawn_times(trace):
    return milliseconds(np.array(trace["x"], "datetime64[us]"))


def lines(traces, name):
    return [trace for trace in traces if trace["name"] == name]


def test_a_position_is_a_line_at_its_price_from_first_to_last_seen(view):
    (line,) = lines(
        position_traces(positions((10, 90, 110, 5e6, 1)), view.heatmap), "observed longs"
    )
    assert_array_equal(drawn_times(line)[:2], [BEGIN + 10 * MINUTE, BEGIN + 90 * MINUTE])
    assert line["x"][2] is None
    assert_array_equal(decoded(line["y"]), [110.0, 110.0, np.nan])


def test_longs_and_shorts_differ_in_colour_and_in_dash(view):
    traces = position_traces(positions((0, 90, 110, 5, 1), (0, 90, 150, 5, -1)), view.heatmap)
    (long,), (short,) = lines(traces, "observed longs"), lines(traces, "observed shorts")
    assert long["line"]["color"] != short["line"]["color"]
    assert long["line"]["dash"] != short["line"]["dash"]
    assert_array_equal(decoded(short["y"])[:2], [150.0, 150.0])


def test_the_larger_the_heavier(view):
    traces = position_traces(positions((0, 90, 110, 1, 1), (0, 90, 115, 100, 1)), view.heatmap)
    light, heavy = lines(traces, "observed longs")
    assert decoded(light["y"])[0] == 110.0
    assert light["line"]["width"] < heavy["line"]["width"]


def test_lines_end_with_the_map(view):
    (line,) = lines(
        position_traces(positions((-50, 500, 110, 5, 1)), view.heatmap), "observed longs"
    )
    assert_array_equal(drawn_times(line)[:2], milliseconds(view.heatmap.times[[0, -1]]))


def test_what_was_seen_once_is_as_long_as_a_column_and_stays_within_the_map(view):
    once = positions((30, 30, 110, 5, 1), (119, 119, 115, 5, 1))
    (line,) = lines(position_traces(once, view.heatmap), "observed longs")
    x = drawn_times(line)
    assert_array_equal(x[:2], [BEGIN + 30 * MINUTE, BEGIN + 90 * MINUTE])
    assert_array_equal(x[3:5], [BEGIN + 60 * MINUTE, BEGIN + 120 * MINUTE])


def test_what_is_outside_the_map_or_never_liquidated_is_not_drawn(view):
    nan = float("nan")
    outside = positions(
        (-90, -10, 110, 5, 1),
        (120, 130, 110, 5, 1),
        (0, 90, 99, 5, 1),
        (0, 90, 160, 5, 1),
        (0, 90, nan, 5, 1),
        (0, 90, 110, 0, 1),
    )
    assert position_traces(outside, view.heatmap) == []
    assert position_traces(Positions.none(), view.heatmap) == []


def test_only_the_largest_are_drawn(view):
    many = positions(*((0, 90, 110, n, 1) for n in range(1, MOST_POSITIONS + 101)))
    kept = largest_positions(many, view.heatmap)
    assert kept.notional.size == MOST_POSITIONS
    assert kept.notional.min() == 101


def test_positions_are_a_layer_of_the_figure_over_the_heat(view):
    view = replace(view, positions=positions((0, 90, 110, 5, 1)))
    scale = colour_scale(view.heatmap.active.sum(axis=0), "linear")
    figure = heatmap_figure(view, scale, Look())
    go.Figure(figure)
    names = [trace["name"] for trace in figure["data"]]
    assert names.index("consumed") < names.index("observed longs")
    assert names.index("observed longs") < names.index("long liquidations")
    without = tuple(layer for layer in LAYERS if layer != "positions")
    names = [t["name"] for t in heatmap_figure(view, scale, Look(layers=without))["data"]]
    assert "observed longs" not in names
