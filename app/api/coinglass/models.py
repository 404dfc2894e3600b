"""Which of our models answers for which of CoinGlass's."""

from typing import Literal

from app.assumptions import Assumptions
from engine.models import MODELS

CoinGlassModel = Literal["model1", "model2", "model3"]

LIKE = "coinglass-like"
"""The model made after the first of CoinGlass's; it answers as soon as there is one."""

_ASSUMED: dict[CoinGlassModel, Assumptions] = {
    "model1": Assumptions(model="turnover"),
    "model2": Assumptions(model="turnover", profile="hot"),
    "model3": Assumptions(model="time-evolving"),
}


def assumed(name: CoinGlassModel) -> Assumptions:
    """Return what is assumed under a model's name there."""
    return Assumptions(model=LIKE) if name == "model1" and LIKE in MODELS else _ASSUMED[name]
