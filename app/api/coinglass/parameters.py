"""What its clients send. What else they send is ignored."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator

from app.api.coinglass.names import stored_exchange, stored_symbol, symbol_candidates
from app.api.parameters import Symbol, Time
from app.heatmaps import StoredHeatmaps
from ingest.intervals import parse_interval

HeatmapRange = Literal["12h", "24h", "3d", "7d", "30d", "90d", "180d", "1y"]
MapRange = Literal["1d", "7d", "30d"]
MaxPainRange = Literal["12h", "24h", "48h", "3d", "7d", "14d", "30d"]
ListRange = Literal["1h", "4h", "12h", "24h"]
Interval = Literal["1m", "3m", "5m", "15m", "30m", "1h", "4h", "6h", "8h", "12h", "1d", "1w"]
Exchange = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_-]{1,40}$", description="for example Binance, in any case"),
    AfterValidator(str.lower),
]


class CoinQuery(BaseModel):
    """A coin, on all exchanges that are stored."""

    symbol: Symbol = Field(description="a coin like BTC, or a pair")

    def stored(self, heatmaps: StoredHeatmaps) -> tuple[str, Sequence[str]]:
        """Return the stored symbol, and the exchanges asked for, none for all."""
        return stored_symbol(self.symbol, heatmaps.symbols()), ()

    def watermark(self, heatmaps: StoredHeatmaps) -> str:
        """Return the state of what may be stored for it."""
        return "".join(heatmaps.watermark(name) for name in symbol_candidates(self.symbol))


class PairQuery(CoinQuery):
    """A pair on one exchange."""

    exchange: Exchange
    symbol: Symbol = Field(description="a pair like BTCUSDT, or a coin")

    def stored(self, heatmaps: StoredHeatmaps) -> tuple[str, Sequence[str]]:
        """Return the stored symbol and the exchange."""
        symbol, _ = CoinQuery.stored(self, heatmaps)
        return symbol, (stored_exchange(self.exchange, symbol, heatmaps),)


class CoinHeatmapQuery(CoinQuery):
    """A window of a coin's map over time."""

    range: HeatmapRange


class PairHeatmapQuery(PairQuery):
    """A window of a pair's map over time."""

    range: HeatmapRange


class CoinMapQuery(CoinQuery):
    """A coin's map of what was opened in a range that ends with the data."""

    range: MapRange

    @property
    def window(self) -> str:
        """The page's name of the range."""
        return "24h" if self.range == "1d" else self.range


class PairMapQuery(PairQuery, CoinMapQuery):
    """A pair's map of what was opened in a range that ends with the data."""


class MaxPainQuery(BaseModel):
    """What was opened in a range that ends with the data, of all coins."""

    range: MaxPainRange = "24h"


class SpanQuery(BaseModel):
    """A span of time."""

    start_time: Time | None = Field(default=None, description="Unix milliseconds, or ISO 8601")
    end_time: Time | None = Field(default=None, description="the same, not included")

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if self.start_time and self.end_time and self.start_time >= self.end_time:
            raise ValueError(
                f"start_time must be before end_time, but is {self.start_time.isoformat()} and "
                f"end_time is {self.end_time.isoformat()}"
            )
        return self


class HistoryQuery(SpanQuery):
    """Intervals of a span of time."""

    interval: Interval
    limit: int = Field(
        default=1000,
        ge=1,
        le=1000,
        description="rows at most: the first from start_time on, or the last",
    )

    @property
    def step(self) -> timedelta:
        """Length of the interval."""
        return parse_interval(self.interval)


class PairHistoryQuery(PairQuery, HistoryQuery):
    """What was liquidated of a pair, by interval."""


class CoinHistoryQuery(CoinQuery, HistoryQuery):
    """What was liquidated of a coin, by interval."""

    exchange_list: str = Field(
        default="",
        max_length=1000,
        description="like Binance,OKX,Bybit; those that are not stored are left out, and all that "
        "are stored are meant if empty",
    )

    @property
    def names(self) -> tuple[str, ...]:
        """Our names of the exchanges asked for; empty for all."""
        names = (name.strip().lower() for name in self.exchange_list.split(","))
        return tuple(dict.fromkeys(name for name in names if name))


class OrderQuery(PairQuery, SpanQuery):
    """Liquidations of a pair that are large enough."""

    min_liquidation_amount: float = Field(
        default=0.0, ge=0.0, allow_inf_nan=False, description="smaller ones are left out [USD]"
    )


class ExchangeListQuery(BaseModel):
    """A range that ends with the data, of a coin or of all."""

    symbol: Symbol | None = Field(default=None, description="a coin like BTC; all if left out")
    range: ListRange


class CoinListQuery(BaseModel):
    """An exchange, or all."""

    exchange: Exchange | None = Field(default=None, description="like Binance; all if left out")
