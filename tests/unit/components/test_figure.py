from base64 import b64decode
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest
from numpy.testing import assert_array_equal

from components.figure import LAYERS, Look, empty_figure, heatmap_figure
from components.palettes import PALETTES
from components.profile_traces import cumulative
from components.scales import colour_scale
from components.theme import THEMES
from components.view import Liquidations


def figure(view, **look):
    look = Look(**look)
    return heatmap_figure(view, colour_scale(view.heatmap.active.sum(axis=0), look.mapping), look)


def trace(figure, name):
    return next((t for t in figure["data"] if t["name"] == name), None)


def decoded(specification):
    array = np.frombuffer(b64decode(specification["bdata"]), specification["dtype"])
    shape = specification.get("shape")
    return array.reshape([int(n) for n in shape.split(",")]) if shape else array


def test_the_figure_is_one_that_plotly_knows(view):
    view = replace(view, gaps=((view.heatmap.times[0], view.heatmap.times[1]),))
    go.Figure(figure(view))
    go.Figure(empty_figure("light"))


def test_the_first_trace_is_the_heat_in_colour_numbers(view):
    heat = figure(view)["data"][0]
    assert heat["name"] == "active"
    z = decoded(heat["z"])
    assert z.dtype == np.uint8
    assert z.shape == (3, 2)
    # Notional by bucket and hour is [[40, 80], [30, 0], [0, 20]]; the top is just below 80.
    assert_array_equal(z == 0, [[False, False], [False, True], [True, False]])
    assert z[0, 1] == 255
    assert_array_equal(decoded(heat["y"]), [100, 120, 140, 160])


def test_columns_are_placed_by_their_edges_in_utc(view):
    assert figure(view)["data"][0]["x"] == [
        "2026-02-05T00:00:00.000",
        "2026-02-05T01:00:00.000",
        "2026-02-05T02:00:00.000",
    ]


def test_the_intensity_range_is_the_colour_range(view):
    heat = figure(view, intensity=(20, 200))["data"][0]
    assert (heat["zmin"], heat["zmax"]) == (20, 200)


@pytest.mark.parametrize("name", list(PALETTES))
def test_the_palette_colours_the_heat(view, name):
    ground = THEMES["dark"].ground
    assert figure(view, palette=name)["data"][0]["colorscale"] == PALETTES[name].colorscale(ground)


def test_consumed_levels_are_a_layer_of_the_band_they_were_in(view):
    consumed = trace(figure(view), "consumed")
    assert_array_equal(decoded(consumed["y"]), [120, 140])
    assert_array_equal(decoded(consumed["z"]) > 0, [[False, True]])


@pytest.mark.parametrize(
    ("layer", "names"),
    [
        ("consumed", ["consumed"]),
        ("candles", ["candle rims", "candles rising", "candles falling"]),
        ("liquidations", ["long liquidations", "short liquidations"]),
        ("profile", ["open longs", "open shorts"]),
    ],
)
def test_a_layer_can_be_left_out(view, layer, names):
    without = figure(view, layers=tuple(each for each in LAYERS if each != layer))
    for name in names:
        assert trace(figure(view), name) is not None
        assert trace(without, name) is None


def test_hidden_heat_stays_readable_for_the_cursor(view):
    heat = figure(view, layers=("candles",))["data"][0]
    assert heat["opacity"] == 0.0
    assert decoded(heat["z"]).any()


def test_liquidations_are_sized_by_area_and_told_apart_by_side(view):
    shown = figure(view)
    long, short = trace(shown, "long liquidations"), trace(shown, "short liquidations")
    assert long["marker"]["symbol"] == "triangle-down"
    assert short["marker"]["symbol"] == "triangle-up"
    assert long["marker"]["color"] != short["marker"]["color"]
    # A quarter of the notional is half the diameter.
    (large,), (small,) = decoded(long["marker"]["size"]), decoded(short["marker"]["size"])
    assert small == pytest.approx(large / 2)


def test_only_the_largest_liquidations_are_drawn(view):
    n = 400
    many = Liquidations(
        time=np.repeat(view.liquidations.time[:1], n),
        price=np.full(n, 125.0),
        notional=np.arange(n, dtype=float),
        side=np.ones(n, np.int8),
        exchange=np.full(n, "binance"),
    )
    drawn = trace(figure(replace(view, liquidations=many)), "long liquidations")
    assert len(drawn["x"]) == 250


def test_no_liquidations_is_no_error(view):
    none = Liquidations(*(getattr(view.liquidations, n)[:0] for n in Liquidations.__slots__))
    assert trace(figure(replace(view, liquidations=none)), "long liquidations")["x"] == []


def test_gaps_are_hatched_from_bottom_to_top(view):
    view = replace(view, gaps=((view.heatmap.times[0], view.heatmap.times[1]),))
    gaps = trace(figure(view), "gaps")
    assert gaps["fillpattern"]["shape"] == "/"
    assert_array_equal(decoded(gaps["y"])[:4], [100, 100, 160, 160])
    assert gaps["x"][:2] == ["2026-02-05T00:00:00.000", "2026-02-05T01:00:00.000"]


def test_the_price_axis_is_on_the_right_and_the_profile_shares_it(view):
    layout = figure(view)["layout"]
    assert layout["yaxis"]["side"] == "right"
    assert layout["yaxis"]["anchor"] == "x2"
    assert trace(figure(view), "open longs")["xaxis"] == "x2"
    assert "yaxis" not in trace(figure(view), "open longs")


def test_the_last_price_is_a_line_with_a_label(view):
    layout = figure(view)["layout"]
    assert (layout["shapes"][0]["y0"], layout["shapes"][0]["y1"]) == (130.0, 130.0)
    assert "130.00" in layout["annotations"][0]["text"]


def test_what_was_liquidated_since_the_last_bar_is_within_the_axis(view):
    later = view.heatmap.times[-1] + np.timedelta64(4, "m")
    since = replace(view.liquidations, time=view.liquidations.time.copy())
    since.time[-1] = later
    start, stop = figure(replace(view, liquidations=since))["layout"]["xaxis"]["range"]
    assert start == "2026-02-05T00:00:00.000"
    assert np.datetime64(stop) > later
    assert np.datetime64(stop) < later + np.timedelta64(3, "m")


def test_a_zoom_is_the_axes_range_and_otherwise_all_is_shown(view):
    zoomed = figure(view, zoom_time=(1500.0, 60_000.0), zoom_price=(110.0, 120.0))["layout"]
    # As text: Plotly takes numbers in a range for the reader's local time.
    assert zoomed["xaxis"]["range"] == ["1970-01-01T00:00:01.500", "1970-01-01T00:01:00.000"]
    assert zoomed["yaxis"]["range"] == [110.0, 120.0]
    whole = figure(view)["layout"]
    assert whole["xaxis"]["range"] == ["2026-02-05T00:00:00.000", "2026-02-05T02:00:00.000"]
    assert whole["yaxis"]["range"] == [100.0, 160.0]


def test_the_time_axis_says_that_it_is_utc(view):
    assert "UTC" in figure(view)["layout"]["xaxis"]["title"]["text"]


def test_a_phone_has_no_profile(view):
    assert trace(figure(view, compact=True), "open longs") is None
    assert figure(view, compact=True)["layout"]["yaxis"]["anchor"] == "x"


def test_themes_differ_in_their_ground(view):
    dark, light = (figure(view, theme=name)["layout"] for name in ("dark", "light"))
    assert dark["paper_bgcolor"] != light["paper_bgcolor"]


def test_cumulative_curves_run_outward_from_the_last_price():
    long, short = np.array([5.0, 3.0, 9.0, 0.0]), np.array([0.0, 9.0, 2.0, 4.0])
    fall, rise = cumulative(long, short, np.array([10.0, 20.0, 30.0, 40.0]), 20.0)
    # Longs above the price and shorts below it are not closed by moving away from them.
    assert_array_equal(fall, [8.0, 3.0, np.nan, np.nan])
    assert_array_equal(rise, [np.nan, np.nan, 2.0, 6.0])


def test_the_profile_says_as_of_when_it_is(view):
    texts = [a["text"] for a in figure(view)["layout"]["annotations"]]
    assert any(text.startswith("Open now") for text in texts)
    later = replace(view, data_stop=view.data_stop + np.timedelta64(1, "h"))
    texts = [a["text"] for a in figure(later)["layout"]["annotations"]]
    assert any(text.startswith("Open at 02-05 02:00") for text in texts)
