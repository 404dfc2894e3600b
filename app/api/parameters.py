"""What a caller may ask: parameters that several routes take, checked and explained."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from app.api.answers import Format
from app.assumptions import Assumptions
from app.errors import UnknownExchange
from app.heatmaps import StoredHeatmaps
from app.request import MOST_BUCKETS, MOST_COLUMNS, HeatmapRequest
from engine.heatmap import Measure
from engine.parameters import Parameters
from engine.tiers import EXCHANGES
from ingest.intervals import MONTH_SECONDS, SECONDS

INTERVALS = {
    name: timedelta(seconds=seconds) for name, seconds in SECONDS.items() if seconds < MONTH_SECONDS
}
DEFAULT_SPAN = timedelta(days=7)
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_TIME = "ISO 8601 or Unix milliseconds; UTC where it names no zone"


def _in_utc(time: datetime) -> datetime:
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time
    if not _EARLIEST <= time < _LATEST:
        raise ValueError(f"must be from {_EARLIEST:%Y} on and before {_LATEST:%Y}")
    return time.astimezone(UTC)


def _one_of(names: Sequence[str]) -> AfterValidator:
    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"must be one of {', '.join(names)}")
        return value

    return AfterValidator(check)


Time = Annotated[
    datetime,
    AfterValidator(_in_utc),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "integer"}]}),
]
Symbol = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_-]{1,40}$", description="for example BTCUSDT"),
    AfterValidator(str.upper),
]
Exchanges = Annotated[
    str,
    Field(
        max_length=200,
        description="comma-separated, like binance,bybit; all that have the symbol if empty",
    ),
    AfterValidator(str.lower),
]
Interval = Annotated[
    str,
    _one_of(tuple(INTERVALS)),
    WithJsonSchema({"type": "string", "enum": list(INTERVALS)}),
]
Price = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
PositivePrice = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Side = Annotated[Literal["both", "long", "short"], Field(description="of the positions")]
Breakdown = Literal["none", "exchange"]


def parameter_name(name: str) -> str:
    """Return what the interface calls an assumption."""
    return "leverage_weights" if name == "profile" else name


class ExchangesQuery(BaseModel):
    """Some exchanges."""

    model_config = ConfigDict(extra="forbid")

    exchanges: Exchanges = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The exchanges asked for; empty for all."""
        return tuple(dict.fromkeys(n.strip() for n in self.exchanges.split(",") if n.strip()))


class MarketQuery(ExchangesQuery):
    """A symbol on some exchanges."""

    symbol: Symbol


class SpanQuery(MarketQuery):
    """A market over a span of time."""

    start_time: Time | None = Field(
        default=None, description=f"{_TIME}; 7 days before the end if left out"
    )
    end_time: Time | None = Field(default=None, description=f"{_TIME}; end of the data if left out")


class ModelQuery(Assumptions):
    """What is assumed."""

    model_config = ConfigDict(alias_generator=parameter_name)

    @model_validator(mode="after")
    def _can_be_assumed(self) -> Self:
        self.assumed()  # says what is wrong
        return self


class HeatmapQuery(SpanQuery, ModelQuery):
    """A map over time."""

    interval: Interval | None = Field(
        default=None, description="width of the time columns; fitting ones if left out"
    )
    price_bins: int = Field(
        default=200, ge=1, le=MOST_BUCKETS, description="price buckets, at most, of a round width"
    )
    price_bin_size: PositivePrice | None = Field(
        default=None, description="width of the price buckets, instead of their number [quote]"
    )
    price_low: Price | None = Field(
        default=None, description="lowest price; around the candles if left out [quote]"
    )
    price_high: PositivePrice | None = Field(
        default=None, description="highest price; give both or neither [quote]"
    )
    side: Side = "both"
    measure: Measure = Field(default="notional", description="notional [quote] or size [base]")
    breakdown: Breakdown = Field(
        default="none",
        description="exchange adds each exchange's part; together they are the whole",
    )
    format: Format = "json"

    def request(self, heatmaps: StoredHeatmaps, most: int = MOST_COLUMNS) -> HeatmapRequest:
        """Return what to compute, in at most ``most`` columns.

        Raises
        ------
        UnknownExchange
            If an exchange is not one.
        NoData
            If nothing is stored for the symbol.
        ValueError
            If span and resolution don't fit; the message says what is the most.
        """
        exchanges = known_exchanges(self.names, heatmaps)
        start, stop = span(self, heatmaps, exchanges, self.assumed().parameters)
        step = INTERVALS[self.interval] if self.interval else None
        if step is not None:
            check_columns(stop - start, step, most)
            if self.end_time is not None:
                stop = _last_end(start, stop, step)
        return HeatmapRequest(
            symbol=self.symbol,
            start=start,
            stop=stop,
            exchanges=exchanges,
            **self.changes(),
            step=step,
            buckets=self.price_bins,
            bucket_width=self.price_bin_size,
            price_low=self.price_low,
            price_high=self.price_high,
            measure=self.measure,
        )


def _last_end(start: datetime, stop: datetime, step: timedelta) -> datetime:
    """Return the end of the last whole column: what comes after the stop must not be told."""
    epoch = datetime.fromtimestamp(0, UTC)
    end = epoch + (stop - epoch) // step * step
    if end <= start:
        raise ValueError(
            f"no interval ends between start_time {start.isoformat()} and end_time "
            f"{stop.isoformat()}: ask for a shorter interval, or a longer span"
        )
    return end


def known_exchanges(names: Sequence[str], heatmaps: StoredHeatmaps) -> tuple[str, ...]:
    """Return the exchanges asked for; ``UnknownExchange`` if one is neither known nor stored."""
    supported = dict.fromkeys((*EXCHANGES, *(m.exchange for m in heatmaps.markets())))
    if unknown := [name for name in names if name not in supported]:
        raise UnknownExchange(unknown, tuple(supported))
    return tuple(names)


def span(
    query: SpanQuery,
    heatmaps: StoredHeatmaps,
    exchanges: Sequence[str],
    assumed: Parameters,
    length: timedelta = DEFAULT_SPAN,
) -> tuple[datetime, datetime]:
    """Return start and stop; the end of the data and ``length`` before it where left out."""
    return span_within(query, *heatmaps.extent(query.symbol, exchanges, assumed), length)


def span_within(
    query: SpanQuery, first: datetime, last: datetime, length: timedelta = DEFAULT_SPAN
) -> tuple[datetime, datetime]:
    """Return start and stop for data from ``first`` to ``last``, as `span` does."""
    stop = query.end_time or last
    if query.start_time is not None and query.end_time is None:
        stop = max(stop, query.start_time + timedelta(minutes=1))
    start = query.start_time or max(stop - length, min(first, stop - timedelta(minutes=1)))
    if start >= stop:
        raise ValueError(
            f"start_time must be before end_time, but is {start.isoformat()} and end_time is "
            f"{stop.isoformat()}"
        )
    return start, stop


def check_columns(length: timedelta, step: timedelta, most: int) -> None:
    """Raise ``ValueError`` naming an interval that fits if there would be too many columns."""
    wanted = -(-length // step)
    if wanted > most:
        fitting = [name for name, width in INTERVALS.items() if length / width <= most]
        raise ValueError(
            f"the interval makes {wanted:,} columns of {length.days:,} days, and at most {most:,} "
            f"are possible: ask for {fitting[0] if fitting else 'less time'}"
            f"{' or a shorter span' if fitting else ''}"
        )
