"""What came of asking one exchange live, and how it is told."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from ingest.http_reasons import printable
from ingest.live.health import Health
from ingest.records import Liquidation

_ROWS = 3
_LONGEST = 200
_HIDDEN = frozenset({"exchange", "key", "received", "interval_seconds"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking for one kind: rows, or why there are none."""

    kind: str
    rows: Sequence[object] = ()
    failed: str = ""
    not_offered: str = ""

    @property
    def said(self) -> str:
        """It in words."""
        if self.not_offered:
            return f"not offered: {self.not_offered}"
        if self.failed:
            return f"failed: {self.failed}"
        return "1 row" if len(self.rows) == 1 else f"{len(self.rows):,} rows"


@dataclass(slots=True)
class Checked:
    """What came of one exchange.

    Attributes
    ----------
    exchange : str
        Which.
    answers : list of Answer
        Over HTTP, in the order asked.
    unreachable : str
        Why asking over HTTP was given up.
    health : Health or None
        Of the stream; None where there is none.
    no_stream : str
        Why there is none.
    liquidations : list of Liquidation
        All that came.
    """

    exchange: str
    answers: list[Answer] = field(default_factory=list)
    unreachable: str = ""
    health: Health | None = None
    no_stream: str = ""
    liquidations: list[Liquidation] = field(default_factory=list)

    @property
    def came(self) -> bool:
        """Whether anything came at all."""
        connected = self.health is not None and self.health.connects > 0
        return connected or any(answer.rows for answer in self.answers)

    @property
    def problem(self) -> str:
        """What is wrong, in one sentence; empty if nothing is."""
        if self.unreachable and not self.came:
            return self.unreachable
        failed = [answer.kind for answer in self.answers if answer.failed]
        problems = [f"no usable answer for {', '.join(failed)}"] if failed else []
        if self.unreachable:
            problems = [self.unreachable]
        if self.health and self.health.state != "connected":
            state = self.health.state if self.health.connects else "not connected"
            problems.append(f"the stream is {state}{_why(self.health)}")
        return "; ".join(problems)


def report(one: Checked) -> Iterator[str]:
    """Yield the lines that tell what came of an exchange."""
    yield one.exchange
    if one.no_stream:
        yield f"  stream: not offered: {one.no_stream}"
    if one.health:
        yield f"  stream: {_told(one.health, len(one.liquidations))}"
    for liquidation in one.liquidations[:_ROWS]:
        yield f"    {shown(liquidation)}"
    for answer in one.answers:
        yield f"  {answer.kind}: {answer.said}"
        for row in answer.rows[:_ROWS]:
            yield f"    {shown(row)}"


def _told(health: Health, liquidations: int) -> str:
    lag = "no lag measured" if health.lag is None else f"lag {health.lag:.2f} s"
    return (
        f"{health.state}{_why(health)}; {health.messages_per_minute:,} messages in the last "
        f"minute, {health.bad_payloads:,} that could not be read; {liquidations:,} liquidations, "
        f"{lag}"
    )


def _why(health: Health) -> str:
    return f" ({printable(health.last_error)})" if health.last_error else ""


def shown(row: Any) -> str:
    """Return a row as it was normalised, in one line."""
    values = (
        f"{each.name}={_value(getattr(row, each.name))}"
        for each in fields(row)
        if each.name not in _HIDDEN
    )
    line = " ".join(values)
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _value(value: Any) -> str:
    match value:
        case datetime():
            return f"{value:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
        case float():
            return f"{value:.10g}"
        case tuple():
            return f"{len(value)}×({shown(value[0])})" if value else "none"
    return printable(str(value))
