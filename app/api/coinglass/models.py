"""Which of our models answers for which of CoinGlass's."""

from typing import Literal

from app.assumptions import Assumptions

CoinGlassModel = Literal["model1", "model2", "model3"]

_ASSUMED: dict[CoinGlassModel | None, tuple[Assumptions, str]] = {
    None: (Assumptions(), "this program's default, since this route names none of their models"),
    "model1": (
        Assumptions(model="coinglass-like"),
        "emulates what Model 1 paints, as measured on its pictures",
    ),
    "model2": (
        Assumptions(model="turnover", profile="hot"),
        "a choice of this program's; Model 2 has not been measured",
    ),
    "model3": (
        Assumptions(model="time-evolving"),
        "a choice of this program's; Model 3 has not been measured",
    ),
}


def assumed(name: CoinGlassModel | None) -> Assumptions:
    """Return what is assumed under a model's name there, and where none can be asked for."""
    return _ASSUMED[name][0]


def mapping(name: CoinGlassModel | None) -> str:
    """Return how that model came to answer."""
    return _ASSUMED[name][1]
