"""The named models: ways to turn a market into a level book."""

from dataclasses import dataclass, replace
from typing import Any, Protocol

from engine.book import LevelBook, build_book
from engine.market import Market
from engine.parameters import Parameters
from engine.profiles import PROFILES, parse_profile


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

    def build_book(self, market: Market) -> LevelBook:
        """Return the market's level book; ``ValueError`` if it lacks what the model needs."""
        ...


@dataclass(frozen=True, slots=True)
class FlowModel:
    """Levels born of openings, shrunk by closings, killed by crossings (MODEL: one bar)."""

    name: str
    summary: str
    parameters: Parameters

    def build_book(self, market: Market) -> LevelBook:
        """Return the market's level book."""
        return build_book(market, self.parameters)


MODELS = {
    model.name: model
    for model in (
        FlowModel(
            "turnover",
            "Net flow and the volume that changes hands; both sides; wide leverages",
            Parameters(turnover=1.0, side_rule="symmetric", entry="hlc3", profile=PROFILES["wide"]),
        ),
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
    return replace(model, parameters=replace(model.parameters, **assumptions))
