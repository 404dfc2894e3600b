"""A score as it is answered, written to files and stored: one shape for all three."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.score_data import aware
from app.validation import sentence
from engine.score import Calibration, Estimate, Scorecard, Verdict
from engine.score.amount import Amount
from engine.score.calibration import Factor
from engine.score.positions import OpenPositions
from engine.score.scorecard import Zones
from engine.score.when import Gain, When
from engine.score.where import Where

NOT_MEASURED = "not measured on your data"
"""What the badge says of a market that was never scored."""

_PARTS = ("when", "amount", "where", "positions", "zones", "calibration")
_NORMAL_95 = 1.959964  # half of a normal law's 95 % interval, in standard deviations


class Feed(BaseModel):
    """What is known of the liquidations that a map was compared with."""

    model_config = ConfigDict(frozen=True)

    exchange: str
    events: int = Field(description="liquidations stored in the period")
    recorded: float = Field(
        description="share of the period in which the feed was recorded: a day without any "
        "liquidation is taken as a gap, 0 to 1"
    )
    completeness: str = Field(description="what the feed leaves out")


class Reported(BaseModel):
    """Reported over modelled notional: what turns modelled amounts into reported ones."""

    model_config = ConfigDict(frozen=True)

    long: Factor
    short: Factor
    both: Factor
    days: int
    start: datetime
    stop: datetime

    @classmethod
    def of(cls, found: Calibration) -> Self:
        """Return a calibration with times that JSON knows."""
        return cls(
            long=found.long,
            short=found.short,
            both=found.both,
            days=found.days,
            start=aware(found.start),
            stop=aware(found.stop),
        )


class ScoreRecord(BaseModel):
    """What one model's map of one market knows, and what that was measured on.

    A line that the data allow no verdict on is its ``answer`` ("no verdict") and ``words``; one
    that was not measured is null. Numbers that are not known are null.
    """

    model_config = ConfigDict(frozen=True)

    exchange: str
    symbol: str
    model: str
    assumptions: dict[str, Any] = Field(description="the model's name and all its parameters")
    start: datetime = Field(description="of the period that was asked for, UTC")
    stop: datetime = Field(description="its end; nothing later was used, UTC")
    scored_from: datetime | None = Field(description="first moment with a map to score, UTC")
    mapped_share: float | None = Field(
        description="mean share of open interest whose liquidation price the map knows, 0 to 1"
    )
    feed: Feed
    when: When | Verdict | None = Field(default=None, description="line 1: when")
    amount: Amount | Verdict | None = Field(default=None, description="line 2: how much")
    where: Where | Verdict | None = Field(default=None, description="line 3: at which prices")
    positions: OpenPositions | Verdict | None = Field(
        default=None, description="line 4: where observed positions lie"
    )
    zones: Zones | Verdict | None = Field(
        default=None,
        description="share of liquidations near a prominent zone, beside the share of the range "
        "that the zones cover, of the map and of a map of where the price was",
    )
    calibration: Reported | Verdict | None = Field(
        default=None, description="reported over modelled notional"
    )
    missing: tuple[str, ...] = Field(
        default=(), description="what more data would allow, and how to get them"
    )
    data_watermark: str
    program_version: str
    scored_at: datetime

    @model_validator(mode="before")
    @classmethod
    def _null_is_an_unknown_number(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {k: _unknown_for_null(v) if k in _PARTS and v else v for k, v in value.items()}

    @property
    def key(self) -> str:
        """Model and all its parameters as the database knows them."""
        return assumptions_key(self.assumptions)


def assumptions_key(in_force: dict[str, Any]) -> str:
    """Return a model's name and all its parameters as one text, JSON with sorted keys."""
    return json.dumps(in_force, sort_keys=True, ensure_ascii=False)


def parts_of(card: Scorecard) -> dict[str, Any]:
    """Return the parts of a scorecard as fields of `ScoreRecord`."""
    calibration = card.calibration
    return {
        "exchange": card.exchange,
        "symbol": card.symbol,
        "model": card.model,
        "scored_from": None if np.isnat(card.start) else aware(card.start),
        "mapped_share": card.mapped_share if math.isfinite(card.mapped_share) else None,
        "when": card.when,
        "amount": card.amount,
        "where": card.where,
        "positions": card.positions,
        "zones": card.zones,
        "calibration": (
            Reported.of(calibration) if isinstance(calibration, Calibration) else calibration
        ),
    }


def _unknown_for_null(value: Any) -> Any:
    if value is None:
        return math.nan
    if isinstance(value, dict):
        return {name: _unknown_for_null(each) for name, each in value.items()}
    return [_unknown_for_null(each) for each in value] if isinstance(value, list) else value


# Badge


def badge(record: ScoreRecord | None) -> str:
    """Return one line of what a map knows beyond price and volume, by the strongest null."""
    if record is None or record.when is None:
        return NOT_MEASURED
    question = "knows more than where price and volume were"
    if isinstance(record.when, Verdict):
        return f"{question}: {record.when.words.split(': ', 1)[-1].rstrip('.')}"
    gain = record.when.strongest.both
    return (
        f"{question}: {record.when.verdict.answer}, {in_short(gain)}, "
        f"{record.when.periods:,} bars of {length_name(record.when.length)} "
        f"to {record.stop:%Y-%m-%d}"
    )


def in_short(estimate: Estimate) -> str:
    """Return ``+.32 [+.20, +.40]``."""
    value, low, high = (
        f"{number:+.2f}".replace("0.", ".", 1) if abs(number) < 1.0 else f"{number:+.3g}"
        for number in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} [{low}, {high}]".replace("-", "−")


def length_name(length: timedelta) -> str:
    """Return ``4 h``."""
    return f"{length / timedelta(hours=1):g} h"


# Files


def append_line(path: Path, record: ScoreRecord) -> None:
    """Add a score to a file as one line of JSON; the file is made if missing."""
    line = f"{record.model_dump_json()}\n".encode()
    with path.open("ab") as file:
        if file.tell() and not _ends_a_line(path):
            line = b"\n" + line  # what a kill cut off stays a line of its own
        file.write(line)


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) == b"\n"


def read_lines(path: Path) -> Iterator[ScoreRecord]:
    """Yield the scores of a file.

    Raises
    ------
    ValueError
        If a line is none; the message names it.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    yield ScoreRecord.model_validate_json(line)
                except ValidationError as e:
                    raise ValueError(
                        f"{path}, line {number} is not a score: {sentence(e)[:200]}"
                    ) from e


# Several scores together


class Together(BaseModel):
    """Scores of one market and model over periods that don't overlap, as one.

    Figures are means weighted by the inverse square of their intervals' widths.
    """

    model_config = ConfigDict(frozen=True)

    exchange: str
    symbol: str
    model: str
    records: tuple[ScoreRecord, ...]
    when: Estimate | None
    amount: Estimate | None
    where: Estimate | None
    positions: Estimate | None


def together(records: Iterable[ScoreRecord]) -> list[Together]:
    """Return the scores of each market and model as one, in the order they were first met.

    Of scores whose periods overlap only the latest made counts: the same liquidations would
    otherwise count twice.
    """
    groups: dict[tuple[str, str, str], list[ScoreRecord]] = {}
    for record in records:
        groups.setdefault((record.symbol, record.exchange, record.key), []).append(record)
    return [_as_one(_apart(group)) for group in groups.values()]


def _apart(group: Sequence[ScoreRecord]) -> list[ScoreRecord]:
    kept: list[ScoreRecord] = []
    for record in sorted(group, key=lambda one: one.scored_at, reverse=True):
        if all(record.stop <= other.start or record.start >= other.stop for other in kept):
            kept.append(record)
    return sorted(kept, key=lambda one: one.start)


def _as_one(records: Sequence[ScoreRecord]) -> Together:
    first = records[0]
    return Together(
        exchange=first.exchange,
        symbol=first.symbol,
        model=first.model,
        records=tuple(records),
        when=_mean(r.when.strongest.both for r in records if isinstance(r.when, When)),
        amount=_mean(r.amount.over_fading for r in records if isinstance(r.amount, Amount)),
        where=_mean(r.where.over_uniform for r in records if isinstance(r.where, Where)),
        positions=_mean(
            r.positions.map.matched for r in records if isinstance(r.positions, OpenPositions)
        ),
    )


def _mean(estimates: Iterable[Estimate]) -> Estimate | None:
    """Return the mean of independent figures, weighted by what their intervals tell of each."""
    known = [one for one in estimates if math.isfinite(one.high - one.low) and one.high > one.low]
    if not known:
        return None
    deviation = np.array([(one.high - one.low) / (2.0 * _NORMAL_95) for one in known])
    weight = deviation**-2.0
    value = float(weight @ np.array([one.value for one in known]) / weight.sum())
    half = _NORMAL_95 * float(weight.sum()) ** -0.5
    return Estimate(value, value - half, value + half)


def gains(when: When) -> dict[str, Gain]:
    """Return what a map knows of the timing over each null, by the null's kind."""
    return {"geometry": when.geometry, "fading": when.fading, "volume": when.volume}
