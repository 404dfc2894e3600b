"""Which of our models answers for which of CoinGlass's."""

from dataclasses import dataclass
from typing import Literal

from engine.models import MODELS

CoinGlassModel = Literal["model1", "model2", "model3"]

LIKE = "coinglass-like"
"""The model made after the first of CoinGlass's; it answers as soon as there is one."""


@dataclass(frozen=True, slots=True)
class Assumed:
    """A model of ours and its leverage profile, empty for the model's own."""

    model: str
    profile: str = ""


_ASSUMED: dict[CoinGlassModel, Assumed] = {
    "model1": Assumed("turnover"),
    "model2": Assumed("turnover", "hot"),
    "model3": Assumed("time-evolving"),
}


def assumed(name: CoinGlassModel) -> Assumed:
    """Return what is assumed under a model's name there."""
    return Assumed(LIKE) if name == "model1" and LIKE in MODELS else _ASSUMED[name]
