from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.page_state import (
    PageState,
    Zoom,
    read_search,
    stored_state,
    visible_range,
    write_search,
)
from components.controls import SIDE_RULES, WINDOWS
from components.figure import LAYERS
from components.palettes import PALETTES
from components.scales import MAPPINGS
from engine.models import MODELS

DAY = datetime(2026, 2, 5, tzinfo=UTC)

zooms = st.builds(
    lambda start, length, low, height: Zoom(
        start=DAY + start, stop=DAY + start + length, low=low, high=low + height
    ),
    st.integers(0, 9999).map(lambda m: timedelta(minutes=m)),
    st.integers(1, 9999).map(lambda m: timedelta(minutes=m)),
    st.integers(1, 10_000).map(float),
    st.integers(1, 10_000).map(float),
)
states = st.builds(
    PageState,
    symbol=st.sampled_from(["BTCUSDT", "1000PEPEUSDT"]),
    exchanges=st.sampled_from([(), ("binance",), ("binance", "okx")]),
    window=st.sampled_from(list(WINDOWS)),
    model=st.sampled_from(list(MODELS)),
    profile=st.sampled_from(["", "hot", "10:0.5,50:0.5"]),
    side_rule=st.sampled_from(["", *(rule for rule in SIDE_RULES if rule != "own")]),
    mapping=st.sampled_from(MAPPINGS),
    palette=st.sampled_from(list(PALETTES)),
    layers=st.sets(st.sampled_from(LAYERS)).map(tuple),
    intensity=st.tuples(st.integers(0, 100), st.integers(101, 255)),
    zoom=st.none() | zooms,
    theme=st.sampled_from(["dark", "light"]),
    live=st.booleans(),
)


@given(states)
def test_an_address_brings_back_what_was_written(state):
    read, problems = read_search(write_search(state))
    assert problems == []
    assert read.colours == state.colours
    assert read.model_copy(update={"intensity": state.intensity}) == state


def test_defaults_are_left_out():
    assert write_search(PageState()) == ""
    assert write_search(PageState(symbol="ETHUSDT", palette="magma")) == (
        "?symbol=ETHUSDT&palette=magma"
    )


def test_an_address_is_read_by_people():
    zoom = Zoom(start=DAY, stop=DAY + timedelta(hours=6), low=61_000, high=64_500.5)
    state = PageState(exchanges=("binance", "okx"), intensity=(10, 200), zoom=zoom, layers=())
    assert write_search(state) == (
        "?exchanges=binance,okx&layers=none&intensity=10-200"
        "&zoom=2026-02-05T00:00~2026-02-05T06:00~61000~64500.5"
    )


def test_a_custom_range_is_restored():
    state, problems = read_search("?start=2026-01-15T00:00&stop=2026-02-10T00:00")
    assert problems == []
    assert state.window == "custom"
    assert state.start == datetime(2026, 1, 15, tzinfo=UTC)


def test_a_time_of_another_zone_is_understood():
    state, _ = read_search("?start=2026-01-15T02:00%2B02:00&stop=2026-02-10")
    assert state.start == datetime(2026, 1, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("search", "part"),
    [
        ("?palette=pink", "palette=pink” in the link was ignored: it must be one of viridis"),
        ("?window=5y", "window=5y"),
        ("?model=oracle", "model must be one of "),
        ("?side_rule=own", "side_rule=own"),
        ("?profile=5:x", "a leverage profile is one of"),
        ("?intensity=200-10", "like 20-200"),
        ("?intensity=a-b", "intensity=a-b” in the link was ignored: it must be like 20-200."),
        ("?live=perhaps", "live=perhaps” in the link was ignored: it must be like on or off."),
        ("?intensity=5", "ignored: it must be like 20-200."),
        ("?zoom=2026-02-04~2026-02-05~a~2", "it must be like 2026-02-05T12:00~2026-02-06T12:00~"),
        ("?start=9999999-01-01&stop=2026-02-10", "like 2026-02-05T12:00"),
        ("?zoom=1~2", "it needs two times and two prices"),
        ("?zoom=2026-02-05~2026-02-04~1~2", "it must begin before it ends"),
        ("?zoom=2026-02-04~2026-02-05~nan~2", "zoom="),
        ("?zoom=2026-02-04~2026-02-05~2~2", "it must begin before it ends"),
        ("?zoom=2026-02-04~2026-02-05~-9~-2", "prices are above zero"),
        ("?start=yesterday&stop=2026-02-10", "like 2026-02-05T12:00"),
        ("?window=custom", "needs a start before a stop"),
        ("?start=2026-02-10&stop=2026-02-09", "needs a start before a stop"),
        ("?layers=active,sparkles", "layers=active,sparkles"),
        ("?theme=pink", "theme=pink"),
        ("?foo=1", "foo=1” in the link was ignored: the page knows no such choice"),
        ("?compact=1", "compact=1"),
    ],
)
def test_what_can_not_be_read_is_ignored_with_a_sentence(search, part):
    state, problems = read_search(search + "&symbol=ETHUSDT")
    assert state.symbol == "ETHUSDT"
    assert state.window == "7d"
    assert any(part in problem for problem in problems)


def test_names_in_a_link_may_be_written_in_any_case():
    state, problems = read_search(
        "?palette=Inferno&model=Turnover&theme=LIGHT&layers=Active,CANDLES"
        "&mapping=Log&exchanges=OKX&profile=Hot&side_rule=Taker&window=3D"
    )
    assert problems == []
    assert write_search(state) == (
        "?exchanges=okx&window=3d&preset=custom&model=turnover&profile=hot&side_rule=taker"
        "&mapping=log"
        "&palette=inferno&layers=active,candles&theme=light"
    )


def test_a_page_that_does_not_follow_the_data_says_so_in_its_address():
    assert write_search(PageState(live=False)) == "?live=off"
    assert read_search("?live=OFF")[0].live is False
    assert read_search("?live=on") == (PageState(), [])


def test_a_long_text_is_cut_in_the_sentence():
    _, problems = read_search("?palette=" + "x" * 500)
    assert len(problems[0]) < 200


def test_a_window_ends_with_the_data_and_begins_no_earlier_than_they():
    extent = (DAY - timedelta(days=10), DAY)
    assert visible_range(PageState(window="24h"), extent) == (DAY - timedelta(days=1), DAY)
    assert visible_range(PageState(window="1y"), extent) == extent


def test_a_custom_range_needs_both_ends():
    with pytest.raises(ValueError, match="needs a start and a stop"):
        visible_range(PageState(window="custom", start=DAY), (DAY, DAY))
    with pytest.raises(ValueError, match="must be before"):
        visible_range(PageState(window="custom", start=DAY, stop=DAY), (DAY, DAY))


def test_a_state_refuses_what_the_page_can_not_show():
    with pytest.raises(ValidationError):
        PageState(palette="pink")


@pytest.mark.parametrize(
    ("low", "high", "suits"),
    [(-5_000, 60_000, True), (1e7, 5e7, True), (1, 2, False), (1, 1e9, False), (-1e9, 6e4, False)],
)
def test_a_zoom_suits_a_price_a_thousandfold_about_it(low, high, suits):
    zoom = Zoom(start=DAY, stop=DAY + timedelta(days=1), low=low, high=high)
    assert zoom.suits(64_000.0) is suits


def test_a_choice_that_is_none_gives_way_to_the_usual_with_a_sentence():
    state, problems = stored_state(
        {"symbol": "ETHUSDT", "window": "", "palette": None, "zoom": {"start": 3}, "turn": 7}
    )
    assert state == PageState(symbol="ETHUSDT")
    assert problems[0] == "Unknown window; showing the default instead."
    assert len(problems) == 3


def test_a_sound_state_is_kept_without_a_word():
    kept = PageState(symbol="ETHUSDT", palette="magma")
    assert stored_state(kept.model_dump(mode="json")) == (kept, [])


def test_a_link_with_a_model_opens_as_custom_and_draws_as_it_did():
    state, _ = read_search("?model=turnover")
    assert state.preset == "custom"
    assert state.colours == (0, 255)
    assert state.assumptions()["model"] == "turnover"


def test_a_preset_assumes_for_itself():
    state, problems = read_search("?preset=net-flow&model=turnover")
    assert problems == []
    assert state.assumptions()["model"] == "time-evolving"
    assert write_search(state) == "?preset=net-flow"


def test_colours_follow_the_preset_until_the_reader_chooses_some():
    assert PageState(preset="coinglass-like").colours == (217, 255)
    assert PageState(preset="coinglass-like", intensity=(10, 200)).colours == (10, 200)
    assert write_search(PageState(intensity=PageState().colours)) == ""
