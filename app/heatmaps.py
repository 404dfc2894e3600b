"""Validate → load → book → rasterise: the one path from a request to a heatmap."""

from datetime import datetime
from typing import Literal, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from components.view import HeatmapView


class NoData(LookupError):
    """Nothing is stored for what was asked; the message says how to load some."""


class HeatmapRequest(BaseModel):
    """What a reader asks for. Empty ``exchanges`` means all that have the symbol."""

    model_config = ConfigDict(frozen=True)

    symbol: str
    start: AwareDatetime
    stop: AwareDatetime
    exchanges: tuple[str, ...] = ()
    model: str = "turnover"
    profile: str = Field("", description="name or leverage:weight,…; the model's own if empty")
    side_rule: Literal["", "candle", "taker", "symmetric"] = ""
    columns: int = Field(500, ge=1, le=2000)
    buckets: int = Field(400, ge=1, le=2000)
    price_low: float | None = Field(None, gt=0)
    price_high: float | None = Field(None, gt=0)


class Heatmaps(Protocol):
    """Source of heatmap views; thread-safe."""

    def view(self, request: HeatmapRequest) -> HeatmapView:
        """Return the computed view; raise ``NoData``, or ``ValueError`` for a bad request."""
        ...

    def symbols(self) -> list[str]:
        """Return the stored symbols, the one with most exchanges first."""
        ...

    def exchanges(self, symbol: str) -> list[str]:
        """Return the exchanges that have the symbol."""
        ...

    def extent(self, symbol: str) -> tuple[datetime, datetime]:
        """Return start of the first and end of the last stored bar; raise ``NoData``."""
        ...


