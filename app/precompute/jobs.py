"""What is to be computed of one market."""

from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from engine.models import FlowModel
from engine.profiles import LeverageProfile


@dataclass(frozen=True, slots=True)
class Job:
    """Snapshots that are wanted of one market.

    Attributes
    ----------
    exchange, symbol : str
        The market.
    model : FlowModel
        What the book is computed with.
    interval : timedelta
        Between snapshots; divides the day.
    bins : int
        Price buckets over the range that a page would show of the whole.
    width : float or None
        Width of the buckets, instead of their number. [quote]
    start, stop : datetime or None
        Whole UTC days that touch ``start <= time < stop``; all that is stored if None.
    events : bool
        Whether position events are made too.
    incremental : bool
        Whether to go on from the checkpoint.
    warmup_days : int
        Days before the start that a book begins with, in histories too long to compute whole.
    """

    exchange: str
    symbol: str
    model: FlowModel
    interval: timedelta = timedelta(hours=1)
    bins: int = 400
    width: float | None = None
    start: datetime | None = None
    stop: datetime | None = None
    events: bool = False
    incremental: bool = False
    warmup_days: int = 30

    @property
    def market(self) -> str:
        """The market's name for people."""
        return f"{self.exchange} {self.symbol}"


def model_text(model: FlowModel) -> str:
    """Return a model's name and all its parameters, so that equal texts mean equal results."""
    parameters = (
        f"{field.name}={_text(getattr(model.parameters, field.name))}"
        for field in fields(model.parameters)
    )
    return " ".join((model.name, *parameters))


def _text(value: object) -> str:
    if isinstance(value, LeverageProfile):
        pairs = zip(value.leverage, value.weight, strict=True)
        return ",".join(f"{float(leverage)!r}:{float(weight)!r}" for leverage, weight in pairs)
    return str(float(value)) if isinstance(value, int | float) else str(value)
