"""What names a series of snapshots."""

from dataclasses import replace

import pytest

from app.assumptions import Assumptions
from app.precompute.jobs import model_text
from engine.models import MODELS
from tests.unit.app.test_assumptions import SET


@pytest.mark.parametrize("name", MODELS)
def test_a_model_as_it_is_goes_by_its_name(name):
    assert model_text(MODELS[name]) == name
    assert model_text(replace(MODELS[name], parameters=replace(MODELS[name].parameters))) == name


def test_what_is_not_a_models_own_stands_in_its_text():
    assumed = Assumptions(model="turnover", side_rule="taker", turnover=1 / 3).assumed()
    assert model_text(assumed) == f"turnover turnover={1 / 3!r} side_rule=taker"


@pytest.mark.parametrize("name", SET)
def test_each_assumption_makes_another_text(name):
    others = {"model": "turnover"} | ({"closing": "none"} if name == "opening" else {})
    changed = Assumptions.model_validate(others | {name: SET[name]})
    assert model_text(changed.assumed()) != model_text(Assumptions(**others).assumed())


def test_other_members_make_another_text():
    other = Assumptions(model="ensemble", members="turnover:3,layered").assumed()
    assert model_text(other).startswith("ensemble ")
    assert "members=turnover:3,layered" in model_text(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("10:0.1,20:0.9", "10:0.10000001,20:0.9"),
        ("turning:100.00001", "turning:100.00002"),
        ("turning:100", "turning"),
    ],
)
def test_profiles_that_look_alike_have_texts_of_their_own(one, other):
    assert model_text(Assumptions(profile=one).assumed()) != model_text(
        Assumptions(profile=other).assumed()
    )


def test_a_model_that_is_none_of_the_named_ones_says_all():
    text = model_text(replace(MODELS["layered"], name="fitted"))
    assert text.startswith("fitted opening=flow turnover=0.6 ")
    assert " layering=1.0" in text
