import re
from pathlib import Path

import pytest

from components.contrast import contrast_ratio
from components.palettes import (
    CASING,
    FALLING,
    LONG_CLOSED,
    LONG_HELD,
    PALETTES,
    RISING,
    SHORT_CLOSED,
    SHORT_HELD,
)
from components.theme import THEMES

KNOTS = [(palette, knot) for palette in PALETTES.values() for knot in palette.knots]
FILLS = [RISING, FALLING, LONG_CLOSED, SHORT_CLOSED, LONG_HELD, SHORT_HELD]
STYLE = Path(__file__).parents[3] / "assets" / "page.css"


@pytest.mark.parametrize(("palette", "knot"), KNOTS)
@pytest.mark.parametrize("fill", FILLS)
def test_marks_stand_out_on_every_colour_by_fill_or_rim(fill, palette, knot):
    assert max(contrast_ratio(fill, knot), contrast_ratio(CASING, knot)) >= 3.0


@pytest.mark.parametrize("fill", FILLS)
def test_a_fill_stands_out_from_its_rim(fill):
    assert contrast_ratio(fill, CASING) >= 4.5


def test_rising_and_falling_candles_differ():
    assert contrast_ratio(RISING, FALLING) >= 1.8


@pytest.mark.parametrize("palette", PALETTES.values(), ids=list(PALETTES))
def test_a_palette_grows_lighter_all_the_way(palette):
    lightness = [contrast_ratio(knot, "#000000") for knot in palette.knots]
    assert lightness == sorted(lightness)


@pytest.mark.parametrize("palette", PALETTES.values(), ids=list(PALETTES))
def test_a_palette_ends_at_its_first_and_last_knot(palette):
    scale = palette.colorscale("#000000")
    assert [colour for _, colour in scale] == ["#000000", "#000000", *palette.knots]
    assert scale[-1] == [1.0, palette.knots[-1]]


@pytest.mark.parametrize("palette", PALETTES.values(), ids=list(PALETTES))
def test_only_the_least_colour_number_is_the_ground(palette):
    places = [place for place, _ in palette.colorscale("#000000")]
    assert places == sorted(places)
    assert 0.0 < places[1] == places[2] < 1 / 256


def test_viridis_has_the_knots_that_readers_know():
    assert PALETTES["viridis"].knots == ("#440154", "#297090", "#1fa084", "#49c161", "#f1e805")


@pytest.mark.parametrize("palette", PALETTES.values(), ids=list(PALETTES))
def test_what_was_consumed_has_no_colour_of_the_palette(palette):
    assert palette.consumed not in palette.knots
    assert palette.consumed_colorscale()[0][1].endswith(",0)")


@pytest.mark.parametrize("theme", THEMES.values(), ids=list(THEMES))
@pytest.mark.parametrize("colour", ["text", "muted", "long", "short"])
@pytest.mark.parametrize("ground", ["paper", "plot"])
def test_text_in_the_figure_is_readable(theme, colour, ground):
    assert contrast_ratio(getattr(theme, colour), getattr(theme, ground)) >= 4.5


@pytest.mark.parametrize("theme", THEMES.values(), ids=list(THEMES))
def test_the_price_tag_is_readable(theme):
    assert contrast_ratio(theme.tag_text, theme.tag) >= 4.5


@pytest.mark.parametrize("name", list(THEMES))
@pytest.mark.parametrize("colour", ["text", "muted", "long", "short", "accent", "warning"])
@pytest.mark.parametrize("ground", ["page", "panel"])
def test_text_on_the_page_is_readable(name, colour, ground):
    colours = page_colours(name)
    assert contrast_ratio(colours[colour], colours[ground]) >= 4.5


@pytest.mark.parametrize("name", list(THEMES))
def test_raised_parts_carry_readable_text(name):
    colours = page_colours(name)
    assert contrast_ratio(colours["text"], colours["raised"]) >= 4.5
    assert contrast_ratio(colours["muted"], colours["raised"]) >= 4.5


@pytest.mark.parametrize("name", list(THEMES))
def test_figure_and_page_have_the_same_colours(name):
    colours = page_colours(name)
    theme = THEMES[name]
    assert colours["page"] == theme.paper
    assert (colours["text"], colours["muted"]) == (theme.text, theme.muted)
    assert (colours["long"], colours["short"]) == (theme.long, theme.short)


def page_colours(name):
    block = re.search(rf'\[data-bs-theme="{name}"\] \{{\n(.*?)\n\}}', STYLE.read_text(), re.DOTALL)
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block[1]))
