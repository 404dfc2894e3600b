"""Walking page by page, through a long map on one grid, whatever arrives meanwhile."""

import base64
from dataclasses import dataclass, replace
from datetime import timedelta
from math import isfinite
from typing import Any, Self
from urllib.parse import urlencode

import orjson
from pydantic import BaseModel

from app.api.formats import aware, unix_milliseconds
from app.request import MOST_BUCKETS, HeatmapRequest
from app.views import Grid

_DAY_31, _YEAR_2100 = 31 * 86_400_000, 4_102_444_800_000


@dataclass(frozen=True, slots=True)
class Page:
    """Where a page begins, and the grid of the whole walk.

    Attributes
    ----------
    whole : HeatmapRequest
        What is walked through.
    start, stop : int
        Start of the page and end of the walk. [ms since 1970]
    step : int
        Width of a column. [ms]
    low, high : float
        What the price buckets hold. [quote]
    """

    whole: HeatmapRequest
    start: int
    stop: int
    step: int
    low: float
    high: float

    @property
    def columns(self) -> int:
        """Columns from the page's start to the walk's end."""
        return (self.stop - self.start) // self.step

    @property
    def buckets(self) -> int:
        """Price buckets, at most."""
        width = self.whole.bucket_width
        if width is None:
            return self.whole.buckets
        # More are refused where they are made, by the width that would do.
        return int(min((self.high - self.low) / width, MOST_BUCKETS)) + 2

    def request(self, limit: int) -> HeatmapRequest:
        """Return what to compute for the page."""
        stop = min(self.stop, self.start + limit * self.step)
        return HeatmapRequest.model_validate(
            self.whole.model_dump()
            | {
                "start": aware(self.start),
                "stop": aware(stop),
                "history": self.whole.start,
                "step": timedelta(milliseconds=self.step),
                "price_low": self.low,
                "price_high": self.high,
            }
        )

    def after(self, limit: int) -> Self | None:
        """Return the next page, None after the last."""
        start = self.start + limit * self.step
        return replace(self, start=start) if start < self.stop else None

    @property
    def cursor(self) -> str:
        """The page as a parameter."""
        return written(self.start, self.stop, self.step, self.low, self.high)


def first_page(grid: Grid, whole: HeatmapRequest) -> Page:
    """Return the first page of a walk."""
    start, second, stop = unix_milliseconds(grid.times[[0, 1, -1]]).tolist()
    return Page(whole, start, stop, second - start, grid.low, grid.high)


def page_at(cursor: str, whole: HeatmapRequest) -> Page:
    """Return the page that a cursor names; ``ValueError`` if it names none."""
    try:
        start, stop, step, low, high = read(cursor)
        page = Page(whole, int(start), int(stop), int(step), float(low), float(high))
        sound = 0 < page.step <= _DAY_31 and 0 <= page.start < page.stop <= _YEAR_2100
        sound = sound and 0.0 <= page.low < page.high and isfinite(page.high)
    except (ValueError, TypeError, OverflowError):
        sound = False
    if not sound:
        raise NotACursor
    return page


class NotACursor(ValueError):
    """A cursor names no page."""

    def __init__(self) -> None:
        super().__init__(
            "cursor must be that of the page before, with its other parameters as they were"
        )


def written(*parts: str | float) -> str:
    """Return a cursor that holds a page's place."""
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def read(cursor: str) -> list[Any]:
    """Return what a cursor holds, which is not checked; `NotACursor` if it holds nothing."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        parts = orjson.loads(text)
    except ValueError as e:
        raise NotACursor from e
    if not isinstance(parts, list):
        raise NotACursor
    return parts


def next_link(path: str, query: BaseModel, cursor: str | None) -> str | None:
    """Return the address of the next page, None after the last."""
    if cursor is None:
        return None
    asked = query.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"cursor"})
    return f"{path}?{urlencode(asked | {'cursor': cursor})}"
