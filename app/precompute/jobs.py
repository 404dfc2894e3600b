"""What is to be computed of one market."""

from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from engine.models import MODELS, FlowModel
from engine.parameters import Parameters
from engine.profiles import LeverageProfile, TurningLadder


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
    """Return a model's name and what it assumes that is not the named model's own.

    Equal texts mean equal results of one version of the program, which a series names too. A
    parameter that models come to have later leaves the texts of those before as they are.
    """
    named = MODELS.get(model.name)
    values = ((field.name, getattr(model.parameters, field.name)) for field in fields(Parameters))
    changed = (
        f"{name}={_text(value)}"
        for name, value in values
        if named is None or value != getattr(named.parameters, name)
    )
    return " ".join((model.name, *changed))


def _text(value: object) -> str:
    # To the last digit, which what readers are shown is not.
    if isinstance(value, LeverageProfile):
        pairs = zip(value.leverage, value.weight, strict=True)
        return ",".join(f"{float(leverage)!r}:{float(weight)!r}" for leverage, weight in pairs)
    if isinstance(value, TurningLadder):
        return f"turning:{float(value.highest)!r}"
    return str(float(value)) if isinstance(value, int | float) else str(value)
