"""What may be assumed is written down once, and everything else is made from it."""

import inspect
from dataclasses import fields
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.api.max_pain import MaxPainQuery
from app.api.meta import in_force
from app.api.moment_query import MomentQuery
from app.api.parameters import HeatmapQuery, parameter_name
from app.assumptions import PARAMETERS, Assumptions, reader_name
from app.cli.export import export
from app.cli.precompute import precompute
from app.cli.score import score_markets
from app.page_state import PageState, read_search, write_search
from app.request import HeatmapRequest
from engine.models import MODELS
from engine.parameters import Parameters

ROOT = Path(__file__).resolve().parents[3]
SET = {
    "profile": "turning:100",
    "side_rule": "taker",
    "opening": "rises",
    "funding": True,
    "maintenance": False,
    "turnover": 0.25,
    "slow_of_net": 0.125,
    "slow_of_turnover": 0.0625,
    "speed_ratio": 1e-05,
    "layering": 2.0,
    "closing": "none",
    "entry": "spread",
    "margin": 5e6,
}
"""A value of each, none of them the own one of the model below."""
ONE_SPEED = {"model": "turnover", **SET}
SPEEDS = {"speeds"}
"""What makes a model the one that it is, so nobody changes it."""
MEMBERS = {"members"}
"""What only the ensemble takes, and nothing else with it."""


def test_each_parameter_of_the_engine_may_be_assumed():
    known = {reader_name(field.name) for field in fields(Parameters)}
    assert known - set(PARAMETERS) == SPEEDS
    assert set(PARAMETERS) <= known
    assert set(SET) | MEMBERS == set(PARAMETERS)


def test_nothing_set_is_the_models_own():
    for name, model in MODELS.items():
        assert Assumptions(model=name).assumed() == model
        assert Assumptions(model=name).changes() == {"model": name}


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("nothing", ["", None])
def test_what_is_empty_is_the_models_own(name, nothing):
    assert Assumptions.model_validate({name: nothing}) == Assumptions()


def test_what_is_set_reaches_the_engine():
    assumed = Assumptions(**ONE_SPEED)
    assert assumed.changes() == ONE_SPEED
    parameters = assumed.assumed().parameters
    for field in fields(Parameters):
        if field.name not in SPEEDS | MEMBERS:
            found = getattr(parameters, field.name)
            assert (str(found) if field.name == "profile" else found) == SET[
                reader_name(field.name)
            ]


@pytest.mark.parametrize("kind", [HeatmapRequest, PageState, HeatmapQuery, MomentQuery])
def test_each_is_a_field_wherever_a_reader_asks(kind):
    assert set(Assumptions.model_fields) <= set(kind.model_fields)


def test_each_stands_in_a_link_and_comes_back():
    state = PageState(preset="custom", **ONE_SPEED)
    assert read_search(write_search(state)) == (state, [])
    assert all(f"{name}=" in write_search(state) for name in SET)


def test_the_interface_calls_the_profile_leverage_weights_as_ever():
    query = MaxPainQuery.model_validate({parameter_name(name): v for name, v in ONE_SPEED.items()})
    assert query.changes() == ONE_SPEED
    with pytest.raises(ValidationError, match="profile"):
        MaxPainQuery.model_validate({"profile": "hot"})


def test_an_answer_tells_of_all_that_was_assumed_the_models_own_too():
    told = in_force(Assumptions(**ONE_SPEED))
    assert told == {parameter_name(name): value for name, value in ONE_SPEED.items()} | {
        "speeds": "one",
        "members": "",
    }
    own = MODELS["layered"].parameters
    assert in_force(Assumptions(model="layered"))["turnover"] == own.turnover


def test_an_ensembles_members_stand_in_a_link_and_reach_the_engine():
    state = PageState(preset="custom", model="ensemble", members="turnover:3,layered")
    assert read_search(write_search(state)) == (state, [])
    assert in_force(state)["members"] == "turnover:3,layered"
    with pytest.raises(ValueError, match="model turnover has no members"):
        Assumptions(model="turnover", members="layered").assumed()
    with pytest.raises(ValueError, match="side rule can't be changed"):
        Assumptions(model="ensemble", side_rule="candle").assumed()
    _, (problem,) = read_search("?model=ensemble&members=best")
    assert "one is 'best'" in problem


@pytest.mark.parametrize("command", [export, precompute, score_markets])
def test_each_is_an_option_of_commands(command):
    options = inspect.signature(command).parameters
    for name, field in Assumptions.model_fields.items():
        assert options[name].default == field.default


@pytest.mark.parametrize("name", ["turnover", "slow_of_net", "slow_of_turnover", "speed_ratio"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_share_is_one(name, value):
    with pytest.raises(ValidationError, match=name):
        Assumptions.model_validate({name: value})


BOUNDS = {"turnover": (0, 1), "slow_of_net": (0, 1), "speed_ratio": (1e-9, 1), "layering": (0, 5)}


@pytest.mark.parametrize(("name", "bounds"), BOUNDS.items())
def test_the_engine_takes_what_is_within_the_bounds(name, bounds):
    for value in bounds:
        assert getattr(Assumptions(**{name: value}).assumed().parameters, name) == value


@pytest.mark.parametrize(
    ("search", "reason"),
    [
        ("?turnover=2", "turnover=2” in the link was ignored: it must be less than or equal to 1."),
        ("?turnover=much", "it must be a valid number"),
        ("?closing=last", "it must be 'proportional', 'nearest' or 'none'"),
        ("?margin=inf", "it must be a finite number"),
        ("?speed_ratio=0", "it must be greater than 0"),
    ],
)
def test_a_link_with_a_bad_value_is_read_without_it(search, reason):
    state, problems = read_search(search + "&side_rule=Candle")
    assert state == PageState(preset="custom", side_rule="candle")
    assert len(problems) == 1
    assert reason in problems[0]


def test_what_the_engine_refuses_is_refused_where_it_is_asked():
    refused = {"model": "two-speed", "closing": "nearest"}
    with pytest.raises(ValidationError, match="closing policy nearest needs"):
        HeatmapQuery.model_validate({"symbol": "BTCUSDT", **refused})
    with pytest.raises(ValidationError, match="closing policy nearest needs"):
        HeatmapRequest.model_validate(
            {
                "symbol": "BTCUSDT",
                "start": "2026-01-01T00:00Z",
                "stop": "2026-01-02T00:00Z",
                **refused,
            }
        )
    # A link may come to this on the way from one model to another; the page says so.
    assert read_search("?model=two-speed&closing=nearest")[0].changes() == refused


@pytest.mark.parametrize("page", ["README.md", "docs/api.md"])
def test_pages_tell_of_each(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for name in Assumptions.model_fields:
        shown = parameter_name(name) if page == "docs/api.md" else f"--{name.replace('_', '-')}"
        assert f"| `{shown}` |" in text, shown
