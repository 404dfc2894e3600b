"""What a reader asks for."""

from datetime import timedelta
from typing import Self

from pydantic import AwareDatetime, Field, model_validator

from app.assumptions import Assumptions
from engine.heatmap import Measure

MOST_COLUMNS = MOST_BUCKETS = 2000


class HeatmapRequest(Assumptions):
    """What a reader asks for. Empty ``exchanges`` means all that have the symbol."""

    symbol: str
    start: AwareDatetime
    stop: AwareDatetime
    exchanges: tuple[str, ...] = ()
    history: AwareDatetime | None = Field(
        default=None,
        description="where the whole begins that this is a piece of; start if left out",
    )
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
    lasting: bool = Field(
        default=False, description="whether to leave out what should not be open a day later"
    )

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

    @model_validator(mode="after")
    def _can_be_assumed(self) -> Self:
        self.assumed()  # says what is wrong
        return self
