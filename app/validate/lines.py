"""What a run writes down: one line of JSON for each thing, from which all can be computed anew."""

import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from app.validate.summary import Summary
from app.validate.zones import Side
from app.validation import sentence
from ingest.errors import FileError


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="null")


class RunLine(_Line):
    """What was compared with what; the first line."""

    kind: Literal["run"] = "run"
    start: AwareDatetime
    symbol: str
    exchanges: tuple[str, ...] = Field(description="whose map it is")
    model: str = Field(description="with its profile")
    within: float = Field(description="distance from the price [-]")
    share: float = Field(description="of a side's buckets that are called hot [-]")
    step: float = Field(description="width of a bucket, of the price [-]")
    users: int = Field(description="that were followed")
    version: str = Field(description="of this program")
    engine: str = Field(description="digest of the engine's sources")


class MapLine(_Line):
    """A map as of a moment, in front of what is compared with it."""

    kind: Literal["map"] = "map"
    as_of: AwareDatetime = Field(description="no bar in it ended later")
    price: float = Field(description="its last price [quote]")
    notional: tuple[int, ...] = Field(
        description="by bucket from the lowest up: of longs below the price, shorts above [quote]"
    )
    geometry: tuple[int, ...] = Field(
        description="the same of a map that knows only where the price has been [quote]"
    )
    coverage: tuple[float, float] = Field(
        description="share of the longs', the shorts' open interest that the map knows [-]"
    )
    data_end: AwareDatetime = Field(description="end of the last bar that was stored then")
    watermark: str = Field(description="names the state of the stored data")


Result = Literal["compared", "outside", "no price", "no map"]
"""Compared; liquidated further away than the zones reach; never liquidated; there was no map."""


class PositionLine(_Line):
    """One position, seen at one moment, and where it lies in the map of before."""

    kind: Literal["position"] = "position"
    time: AwareDatetime = Field(description="when it was seen so")
    user: str = Field(description="digest of the address")
    side: Side
    quantity: float = Field(description="[base]")
    entry_price: float = Field(description="[quote]")
    leverage: float
    isolated: bool
    liquidation_price: float | None = Field(description="the exchange's own [quote]")
    notional: float = Field(description="quantity times that price, or the entry price [quote]")
    result: Result
    as_of: AwareDatetime | None = Field(default=None, description="of the map")
    distance: float | None = Field(default=None, description="from the map's price [-]")
    bucket: int | None = Field(default=None, description="from the lowest up")
    map_notional: float | None = Field(default=None, description="in the bucket [quote]")
    rank: int | None = Field(default=None, description="of the bucket in its side, 1 the hottest")
    hot: bool | None = None
    geometry_hot: bool | None = Field(
        default=None, description="of a map that knows only where the price has been"
    )
    covered: float | None = Field(
        default=None, description="share of the side's range that is hot [-]"
    )
    watermark: str | None = Field(default=None, description="of the map's data")
    model: str = ""
    engine: str = ""


class LiquidationLine(_Line):
    """One liquidation that happened, and whether its price was hot in the map of before."""

    kind: Literal["liquidation"] = "liquidation"
    time: AwareDatetime
    exchange: str
    side: Side
    quantity: float = Field(description="[base]")
    price: float = Field(description="that it started at [quote]")
    notional: float = Field(description="quantity times price [quote]")
    result: Literal["compared", "no map", "no candle"]
    as_of: AwareDatetime | None = None
    bucket: int | None = Field(default=None, description="none beyond the reach")
    map_notional: float | None = None
    hot: bool | None = None
    low: float | None = Field(default=None, description="of the candle that it fell in [quote]")
    high: float | None = None
    covered: float | None = Field(default=None, description="share of low to high that is hot [-]")
    watermark: str | None = None
    model: str = ""
    engine: str = ""


class SummaryLine(_Line):
    """What came of it; the last line of a run that was not killed."""

    kind: Literal["summary"] = "summary"
    stop: AwareDatetime
    summary: Summary


Line = RunLine | MapLine | PositionLine | LiquidationLine | SummaryLine

_READER: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="kind")])


class LinesFile:
    """A new file that grows by whole lines.

    Each line is one write to the file's end, so that a program that is killed leaves the lines
    before it as they are; `read_lines` leaves out the beginning of a line that was cut off.
    """

    def __init__(self, folder: Path, symbol: str, start: datetime) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self._file = _made(folder, f"{symbol}-{start:%Y%m%dT%H%M%SZ}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)

    def write(self, *lines: Line) -> None:
        """Add lines.

        Raises
        ------
        OSError
            If they can't be written, say because the disk is full.
        """
        for line in lines:
            text = memoryview(line.model_dump_json().encode() + b"\n")
            try:
                while text:  # a disk that is nearly full takes a part
                    text = text[os.write(self._file, text) :]
            except OSError as e:
                raise OSError(e.errno, e.strerror, str(self.path)) from e


def read_lines(path: Path) -> list[Line]:
    """Return the lines of a file.

    Raises
    ------
    FileError
        If it is none of ours; the message names the line.
    """
    return list(_parsed(path))


def _parsed(path: Path) -> Iterator[Line]:
    *whole, _ = path.read_bytes().split(b"\n")  # what no line ends is one that was cut off
    if not whole:
        raise FileError(path, "lines of a validation", "none")
    for number, text in enumerate(whole, 1):
        try:
            yield _READER.validate_json(text)
        except ValidationError as e:
            raise FileError(path, "a line of a validation", sentence(e), f"line {number}") from e


def _made(folder: Path, name: str) -> tuple[Path, int]:
    """Return a file that was not there before, open."""
    for path in _names(folder, name):
        try:
            return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        except FileExistsError:
            continue
    raise AssertionError("names do not end")


def _names(folder: Path, name: str) -> Iterable[Path]:
    yield folder / f"{name}.jsonl"
    number = 1
    while True:
        number += 1
        yield folder / f"{name}-{number}.jsonl"
