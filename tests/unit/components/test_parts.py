import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from components.arrays import dates, encoded, milliseconds
from components.controls import LAYER_NAMES, WINDOWS, exchange_options, profile_names
from components.dialogs import profile_preview
from components.key_figures import empty_strip, key_figures_strip
from components.legend import legend_values
from components.messages import empty_store_message, no_data_message
from components.provenance import provenance
from components.reading import read_cell, reading_card
from components.scales import colour_scale
from engine.profiles import parse_profile
from engine.score import Calibration, Calibrations
from engine.score.calibration import Factor

from .conftest import texts


def test_key_figures_are_written_as_an_analyst_reads_them(view):
    written = texts(key_figures_strip(view))
    assert "130.00" in written
    assert "data to 2026-02-05 02:00 UTC" in written
    assert "148.0–152.0" in written
    assert "+15.38% · modelled $35" in written
    assert written[(i := written.index("Long")) : i + 4] == ["Long", "$1.2M", "$0", "$0"]
    assert written[(i := written.index("Short")) : i + 4] == ["Short", "$0", "$340k", "$0"]
    assert "−25%" in written
    assert "short-heavy" in written
    assert "62%" in written


def test_a_view_of_the_past_says_as_of_when(view):
    later = replace(view, data_stop=view.data_stop + np.timedelta64(1, "D"))
    assert "as of 2026-02-05 02:00 UTC" in texts(key_figures_strip(later))


def test_the_empty_strip_has_as_many_cells(view):
    assert len(empty_strip()) == len(key_figures_strip(view))


def test_the_legend_says_what_each_colour_begins_at(view):
    notional = view.heatmap.active.sum(axis=0) * 1e6
    legend = legend_values(view.heatmap, colour_scale(notional, "linear"), "viridis")
    assert len(legend["labels"]) == 256
    assert legend["labels"][0] == "$0"
    assert legend["labels"][255].startswith("$79.")
    assert legend["unit"] == "USD per 20 of price"
    assert "#440154" in legend["gradient"]


def test_small_print_names_what_the_view_rests_on(view):
    written = " · ".join(provenance(view))
    assert "2026-02-05 00:00 → 2026-02-05 02:00 UTC" in written
    assert "mark price" in written
    assert "margin rules assumed for OKX" in written
    assert "do not tie" not in written
    assert "do not tie" in " · ".join(provenance(replace(view, ties=False)))


def test_small_print_says_from_when_on_an_exchange_counts(view):
    later = replace(view, begun={"bybit": view.heatmap.times[1]})
    assert "Bybit from 2026-02-05 01:00 on" in provenance(later)
    assert "Bybit" not in " · ".join(provenance(view))


def test_small_print_says_when_the_data_begin_later_than_asked(view):
    first, second = view.heatmap.times[:2]
    nearly = first - (second - first)
    assert "map begins" not in " · ".join(provenance(view, nearly))
    assert "map begins 2026-02-05 00:00 with the first candles and open interest" in (
        provenance(view, nearly - np.timedelta64(1, "m"))
    )


def test_all_exchanges_come_first_with_their_colours_after():
    options = exchange_options(["binance", "okx"])
    assert [option["value"] for option in options] == ["all", "binance", "okx"]
    assert options[2]["label"][1] == "OKX"


def test_a_profile_of_the_readers_own_is_offered_while_it_is_chosen():
    assert "10:0.5,50:0.5" in profile_names("10:0.5,50:0.5")
    assert list(profile_names("wide"))[-1] == "custom"


def test_windows_grow():
    assert list(WINDOWS.values()) == sorted(WINDOWS.values())


def test_messages_say_what_to_do():
    assert "liqheat ingest PATH" in texts(no_data_message("Nothing is stored."))
    assert "liqheat serve --demo" in texts(empty_store_message())
    assert "liqheat serve --collect" in texts(empty_store_message())


@pytest.mark.parametrize("shown", [empty_store_message, partial(no_data_message, "Nothing.")])
def test_where_the_server_collects_one_waits_instead_of_loading(shown):
    parts = shown(collecting=True)
    assert any("Live data are being collected" in text for text in texts(parts))
    assert "liqheat ingest PATH" not in texts(parts)
    assert "/data" in str(parts)
    assert "/data" in str(shown())


def test_a_preview_shows_each_weight():
    rows = texts(profile_preview(parse_profile("10:1,50:3")))
    assert rows == ["10x", "25.0%", "50x", "75.0%"]


def test_arrays_are_sent_as_base64_with_their_shape():
    assert encoded(np.array([[1, 2], [3, 4]], np.uint8)) == {
        "dtype": "u1",
        "bdata": "AQIDBA==",
        "shape": "2, 2",
    }
    assert "shape" not in encoded(np.zeros(3))


def test_an_array_without_a_typed_counterpart_is_refused():
    with pytest.raises(TypeError, match="int64 can't be sent"):
        encoded(np.zeros(2, np.int64))


def test_times_become_milliseconds():
    assert milliseconds(np.array(["1970-01-01T00:00:01.5"], "datetime64[us]")).tolist() == [1500.0]


def test_times_of_an_axis_are_texts_without_a_zone_and_gaps():
    assert dates(np.array([1500.0, np.nan, 1_770_249_600_000.4])) == [
        "1970-01-01T00:00:01.500",
        None,
        "2026-02-05T00:00:00.000",
    ]
    assert dates(np.empty(0)) == []


def test_calibrated_amounts_say_whose_report_they_are_like(view):
    factor, day = Factor(0.002, 0.4), np.datetime64("2026-01-01", "us")
    found = Calibration(factor, factor, factor, 31, day, day)
    held = np.zeros((2, 2000))
    held[1, 1150] = 9e6  # at 149.5, within the zone above, and nothing else there
    known = replace(
        view, calibrated=held, calibrations=Calibrations({"binance": found, "bybit": found})
    )
    assert "calibrated" not in " ".join(texts(key_figures_strip(view)))
    assert "amounts are modelled, not calibrated" in provenance(view)
    assert " · calibrated $9.0M" in texts(key_figures_strip(known))
    assert "amounts are modelled; calibrated ones as reported by Binance, Bybit" in provenance(
        known
    )


def test_calibrated_amounts_at_risk_are_in_tooltips(view):
    factor, day = Factor(0.002, 0.4), np.datetime64("2026-01-01", "us")
    found = Calibration(factor, factor, factor, 31, day, day)
    held = np.zeros((2, 2000))
    held[0, 995] = 3e5  # longs .45 % below the last price of 130
    held[1, 1015] = 7e5  # shorts 1.55 % above it
    known = replace(view, calibrated=held, calibrations=Calibrations({"binance": found}))
    longs, shorts = at_risk_rows(known)
    assert [cell.children for cell in longs[:2]] == ["$1.2M", "$0"]
    assert [cell.title for cell in longs] == ["calibrated $300k, as reported by Binance"] * 3
    assert [cell.title for cell in shorts] == [
        f"calibrated {amount}, as reported by Binance" for amount in ("$0", "$700k", "$700k")
    ]
    for cells in at_risk_rows(view):
        assert not any(hasattr(cell, "title") for cell in cells)


def at_risk_rows(view):
    (table,) = [part for part in key_figures_strip(view) if "is-at-risk" in part.className]
    return [row.children[1:] for row in table.children.children[1].children]


def test_no_amount_of_a_map_is_shown_without_saying_that_it_is_modelled(view):
    cell = read_cell(view, view.heatmap.times[1], 125.0)
    labels = [*texts(reading_card(cell)), *texts(key_figures_strip(view)), *LAYER_NAMES.values()]
    held = [text for text in labels if re.match("at risk|crossed|consumed|liquidated", text, re.I)]
    assert {"At risk (modelled)", "Crossed (modelled)", "Crossed (model)"} <= set(held)
    assert all("model" in text or "reported" in text for text in held)
    assert "Modelled at risk within" in labels
    assert any("modelled $" in text for text in labels)
