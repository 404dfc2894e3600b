"""The named models: ways to turn a market into a level book."""

from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Protocol

from engine.book import build_book
from engine.ensemble import Book, EnsembleBook
from engine.market import Market
from engine.parameters import Parameters
from engine.profiles import PROFILES, LeverageProfile, parse_profile


class LiquidationModel(Protocol):
    """What everything downstream works with."""

    @property
    def name(self) -> str:
        """Name in the page's selector, in requests and in links."""
        ...

    @property
    def parameters(self) -> Parameters:
        """What it assumes."""
        ...

    def build_book(self, market: Market) -> Book:
        """Return the market's level book; ``ValueError`` if it lacks what the model needs."""
        ...


@dataclass(frozen=True, slots=True)
class FlowModel:
    """Levels born of openings, shrunk by closings, killed by crossings; or the mean of several."""

    name: str
    summary: str
    parameters: Parameters

    def build_book(self, market: Market) -> Book:
        """Return the market's level book."""
        if not self.parameters.members:
            return build_book(market, self.parameters)
        members = members_of(self.parameters.members)
        return EnsembleBook(
            parameters=self.parameters,
            parts=tuple(build_book(market, model.parameters) for model, _ in members),
            shares=tuple(share for _, share in members),
        )


MODELS = {
    model.name: model
    for model in (
        FlowModel(
            "two-speed",
            "Net flow and turnover; slow holders keep what fast ones close; leverages that turn",
            Parameters(
                turnover=1.0,
                side_rule="symmetric",
                entry="auto",
                profile=PROFILES["turning"],
                speeds="two",
            ),
        ),
        FlowModel(
            "layered",
            "Net flow and turnover; the higher the leverage, the sooner it is closed",
            Parameters(
                turnover=0.6,
                side_rule="symmetric",
                entry="auto",
                profile=PROFILES["rooted"],
                speeds="layered",
            ),
        ),
        FlowModel(
            "turnover",
            "Net flow and the volume that changes hands; both sides; wide leverages",
            Parameters(turnover=1.0, side_rule="symmetric", entry="hlc3", profile=PROFILES["wide"]),
        ),
        FlowModel(
            "funding-adjusted",
            "Two speeds; levels move by funding paid, and the side that pays it is levered more",
            Parameters(
                turnover=1.0,
                side_rule="funding",
                entry="auto",
                profile=PROFILES["wide"],
                speeds="two",
                funding=True,
            ),
        ),
        FlowModel(
            "binance-standard",
            "Rises of open interest, or of volume where it is unknown; levels last until touched",
            Parameters(
                opening="rises",
                # What of the volume opens where open interest is unknown: as much as rises of it
                # are of BTCUSDT's and ETHUSDT's volume on Binance (5 minutes, winter 2025/26).
                turnover=0.04,
                side_rule="symmetric",
                closing="none",
                entry="vwap",
            ),
        ),
        FlowModel(
            "volume-profile",
            "Traded volume alone, no open interest and no maintenance margin; until touched",
            Parameters(
                opening="volume",
                turnover=1.0,
                side_rule="symmetric",
                closing="none",
                entry="vwap",
                profile=parse_profile("10:1,25:1,50:1,100:1"),
                maintenance=False,
            ),
        ),
        FlowModel(
            "coinglass-like",
            "The largest openings of a day at 25x, 50x and 100x, until touched",
            Parameters(
                opening="bursts",
                turnover=0.04,
                side_rule="symmetric",
                closing="none",
                entry="hlc3",
                profile=PROFILES["hot"],
                maintenance=False,
            ),
        ),
        FlowModel(
            "time-evolving",
            "Net flow only; side by the candle; classic leverages",
            Parameters(),
        ),
    )
}
"""All models; the first is the default."""


def members_of(text: str) -> list[tuple[FlowModel, float]]:
    """Return an ensemble's models and their shares, which sum to 1.

    Parameters
    ----------
    text : str
        Names with weights, 1 where none is given, like ``two-speed:2,layered``.

    Raises
    ------
    ValueError
        If it is no such list, or names a model that can't be a member.
    """
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, _, weight = part.strip().partition(":")
        if name not in MODELS or MODELS[name].parameters.members:
            possible = [each for each in MODELS if not MODELS[each].parameters.members]
            raise ValueError(
                f"members must be models, each of {', '.join(possible)}, but one is {name!r}"
            )
        weights[name] = weights.get(name, 0.0) + _weight(weight, part)
    total = sum(weights.values())
    return [(MODELS[name], weight / total) for name, weight in weights.items()]


def _weight(text: str, part: str) -> float:
    try:
        weight = float(text or 1.0)
    except ValueError:
        weight = 0.0
    if not (weight > 0.0 and isfinite(weight)):
        raise ValueError(f"members' weights must be positive numbers, but one is {part.strip()!r}")
    return weight


def mean_parameters(members: str) -> Parameters:
    """Return the parameters of an ensemble: its members, and what can be said of all of them.

    The profile is the mean of theirs; open interest and funding rates are needed if any member
    needs them, and the mean ties if all do.
    """
    models = members_of(members)
    weights: dict[float, float] = {}
    for model, share in models:
        profile = model.parameters.profile
        for leverage, weight in zip(profile.leverage, profile.weight, strict=True):
            weights[leverage] = weights.get(leverage, 0.0) + share * weight
    every = [model.parameters for model, _ in models]
    return Parameters(
        opening="flow" if any(each.follows_interest for each in every) else every[0].opening,
        side_rule=every[0].side_rule,
        closing="proportional" if all(each.ties for each in every) else "none",
        entry=every[0].entry,
        profile=LeverageProfile("mean", *zip(*sorted(weights.items()), strict=True)),
        funding=any(each.needs_funding for each in every),
        members=members,
    )


MODELS["ensemble"] = FlowModel(
    "ensemble",
    "The mean of several models",
    # The two that measured best, and that differ in who they take to close first.
    mean_parameters("two-speed:1,layered:1"),
)

DEFAULT_MODEL = next(iter(MODELS))


def find_model(name: str, **assumptions: Any) -> FlowModel:
    """Return a named model, some of its parameters replaced.

    Raises
    ------
    ValueError
        If there is no such model, or a parameter is outside the model.
    """
    if name not in MODELS:
        raise ValueError(f"model must be one of {', '.join(MODELS)}, but is {name!r}")
    model = MODELS[name]
    if model.parameters.members:
        return replace(model, parameters=_mean_of_others(model, assumptions))
    if "members" in assumptions:
        raise ValueError(f"model {name} has no members; model ensemble has")
    return replace(model, parameters=replace(model.parameters, **assumptions))


def _mean_of_others(model: FlowModel, assumptions: dict[str, Any]) -> Parameters:
    """Return an ensemble's parameters with other members, if they are changed at all."""
    if others := sorted(assumptions.keys() - {"members"}):
        raise ValueError(
            f"model {model.name} assumes what its members assume, so {others[0].replace('_', ' ')} "
            "can't be changed; choose other members, or one of the other models"
        )
    members = assumptions.get("members", model.parameters.members)
    return mean_parameters(members)
