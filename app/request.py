"""What a reader asks for."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from engine.heatmap import Measure
from engine.models import DEFAULT_MODEL, FlowModel, find_model
from engine.profiles import parse_profile

MOST_COLUMNS = MOST_BUCKETS = 2000


class HeatmapRequest(BaseModel):
    """What a reader asks for. Empty ``exchanges`` means all that have the symbol."""

    model_config = ConfigDict(frozen=True)

    symbol: str
    start: AwareDatetime
    stop: AwareDatetime
    exchanges: tuple[str, ...] = ()
    history: AwareDatetime | None = Field(
        default=None,
        description="where the whole begins that this is a piece of; start if left out",
    )
    model: str = DEFAULT_MODEL
    profile: str = Field(
        default="", description="name or leverage:weight,…; the model's own if empty"
    )
    side_rule: Literal["", "candle", "taker", "symmetric"] = ""
    columns: int = Field(default=500, ge=1, le=MOST_COLUMNS)
    step: timedelta | None = Field(
        default=None, description="width of the columns, instead of their number"
    )
    buckets: int = Field(default=400, ge=1, le=MOST_BUCKETS)
    bucket_width: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="instead of their number [quote]"
    )
    price_low: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    price_high: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    measure: Measure = "notional"

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.start >= self.stop:
            raise ValueError(
                f"start must be before stop, but is {self.start.isoformat()} and stop is "
                f"{self.stop.isoformat()}"
            )
        low, high = self.price_low, self.price_high
        if (low is None) != (high is None) or (
            low is not None and high is not None and low >= high
        ):
            raise ValueError(f"the price range must ascend, but is {low} to {high}")
        return self

    def assumed(self) -> FlowModel:
        """Return the model with the request's changes; ``ValueError`` if it can't be."""
        return assumed_model(self.model, self.profile, self.side_rule)


def assumed_model(model: str, profile: str, side_rule: str) -> FlowModel:
    """Return a model with changes where they are not empty; ``ValueError`` if it can't be."""
    changes: dict[str, object] = {}
    if profile:
        changes["profile"] = parse_profile(profile)
    if side_rule:
        changes["side_rule"] = side_rule
    return find_model(model, **changes)
