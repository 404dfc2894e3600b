"""The map as validated objects, for callers who want one moment rather than arrays.

Built on `engine.book` and `engine.heatmap`, which do the work; use those where speed matters.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, NamedTuple, Self

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from engine.book import LevelBook, build_book
from engine.heatmap import rasterise
from engine.kernels import Floats
from engine.market import Market, Times
from engine.parameters import Parameters

Side = Literal["long", "short"]
SIDE_NAMES: tuple[Side, Side] = ("long", "short")
Amount = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Price = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


class Candle(NamedTuple):
    """One bar's prices. [quote]"""

    open: float
    high: float
    low: float
    close: float


class LiquidationLevel(BaseModel):
    """Positions that were opened in one bar, on one side, at one leverage."""

    model_config = ConfigDict(frozen=True)

    side: Side
    entry_price: Price = Field(description="[quote]")
    liquidation_price: Amount = Field(description="0 for an unlevered long [quote]")
    leverage: Annotated[float, Field(ge=1.0, allow_inf_nan=False)] = Field(description="[-]")
    size: Amount = Field(description="what is left [base]")
    opened_at: AwareDatetime = Field(description="end of the bar of birth")
    liquidated_at: AwareDatetime | None = Field(
        default=None, description="end of the bar that crossed it"
    )

    @property
    def notional(self) -> float:
        """Size times liquidation price. [quote]"""
        return self.size * self.liquidation_price

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        below = self.liquidation_price < self.entry_price
        if below != (self.side == "long"):
            raise ValueError(
                f"a {self.side} is liquidated {'below' if self.side == 'long' else 'above'} its "
                f"entry price {self.entry_price:g}, but its liquidation price is "
                f"{self.liquidation_price:g}"
            )
        if self.liquidated_at is not None and self.liquidated_at <= self.opened_at:
            raise ValueError("a level is liquidated after it was opened, never in the same bar")
        return self


class HeatmapCell(BaseModel):
    """One price bucket at one time; sizes in base, notionals in quote asset."""

    model_config = ConfigDict(frozen=True)

    price_low: Amount
    price_high: Price
    long_size: Amount = 0.0
    short_size: Amount = 0.0
    long_notional: Amount = 0.0
    short_notional: Amount = 0.0
    long_consumed: Amount = Field(
        default=0.0, description="notional liquidated in the column [quote]"
    )
    short_consumed: Amount = Field(
        default=0.0, description="notional liquidated in the column [quote]"
    )

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.price_low >= self.price_high:
            raise ValueError(
                f"a price bucket needs low < high, but has {self.price_low:g} and "
                f"{self.price_high:g}"
            )
        return self


class HeatmapSnapshot(BaseModel):
    """The map at the end of one time column; sizes of longs, then shorts. [base]"""

    model_config = ConfigDict(frozen=True)

    time: AwareDatetime = Field(description="end of the column")
    cells: tuple[HeatmapCell, ...] = Field(description="buckets that hold anything, by price")
    opened: tuple[Amount, Amount]
    closed: tuple[Amount, Amount]
    liquidated: tuple[Amount, Amount]
    open_interest: Amount = Field(description="[base]")
    coverage: tuple[Amount, Amount] = Field(description="levels / open interest [-]")


_AMOUNTS = (
    "long_size", "short_size", "long_notional", "short_notional", "long_consumed", "short_consumed",
)  # fmt: skip
_FIELDS = ("price_low", "price_high", *_AMOUNTS)
_ALL = set(_FIELDS)  # one for all cells, which are frozen


def should_liquidate(level: LiquidationLevel, candle: Candle) -> bool:
    """Return whether a later candle's range touches the level.

    An exact touch counts, and so do a wick and a gap beyond the level.
    """
    if level.side == "long":
        return candle.low <= level.liquidation_price
    return candle.high >= level.liquidation_price


def infer_side(candle: Candle, open_interest_change: float) -> Side | None:
    """Return the side that opened in a candle, by its direction.

    None where nothing opened (open interest did not rise) or the candle is a doji, which the side
    rule ``candle`` splits evenly.
    """
    if open_interest_change <= 0.0 or candle.close == candle.open:
        return None
    return "long" if candle.close > candle.open else "short"


def calculate_time_evolving_heatmap(
    market: Market,
    parameters: Parameters | None = None,
    *,
    step: timedelta | None = None,
    buckets: int = 100,
    edges: Floats | None = None,
) -> list[HeatmapSnapshot]:
    """Return the map of a market at the end of each time step.

    Parameters
    ----------
    market : Market
        Bars with open interest.
    parameters : Parameters, optional
        What to assume; the net-flow model of `engine.models` by default.
    step : timedelta, optional
        Width of the time columns, at least a bar; a bar by default.
    buckets : int
        Number of price buckets between the lowest and the highest level.
    edges : ndarray, shape (buckets + 1,), optional
        Price edges to use instead. [quote]

    Returns
    -------
    list of HeatmapSnapshot
        One a step, oldest first; empty for a market without bars.

    Raises
    ------
    ValueError
        If the market or the parameters are not usable.
    """
    if buckets < 1:
        raise ValueError(f"buckets must be at least 1, but is {buckets}")
    step = step or market.interval
    if step < market.interval:
        raise ValueError(f"step must be at least a bar of {market.interval}, but is {step}")
    book = build_book(market, parameters or Parameters())
    if not len(book):
        return []
    width = np.timedelta64(step)
    columns = -((market.open_time[0] - book.stop) // width)
    times = market.open_time[0] + np.arange(int(columns) + 1) * width
    edges = _edges(book, buckets) if edges is None else edges
    return list(_snapshots(book, times, edges))


def levels_of(book: LevelBook) -> list[LiquidationLevel]:
    """Return the levels that are open at a book's end, as objects."""
    levels = book.open_levels()
    ends = book.open_time + np.timedelta64(book.interval)
    return [
        LiquidationLevel(
            side=SIDE_NAMES[side],
            entry_price=float(entry),
            liquidation_price=float(price),
            leverage=float(leverage),
            size=float(size),
            opened_at=moment(ends[birth]),
        )
        for entry, price, leverage, size, side, birth in zip(
            levels.entry,
            levels.price,
            levels.leverage,
            levels.size,
            levels.side,
            levels.birth,
            strict=True,
        )
    ]


def moment(time: np.datetime64) -> datetime:
    """Return a NumPy time as an aware datetime, UTC."""
    return datetime.fromtimestamp(0, UTC) + timedelta(
        microseconds=int(time.astype("datetime64[us]").astype(np.int64))
    )


def _edges(book: LevelBook, buckets: int) -> Floats:
    """Return edges that hold every level the book ever had, wherever funding moved it."""
    born = book.ledger.born[1:, :, None] > 0.0
    bar, side, tier = np.nonzero(np.broadcast_to(born, book.death.shape))
    price = np.concatenate((book.price(bar, side, tier), book.close))
    moved = float(book.tiers.drift.max() * np.ptp(book.bars.paid))
    low, high = float(price.min()) - moved, float(price.max()) + moved
    if moved:
        # A level that moves is drawn over two buckets.
        bucket = (high - low) / max(buckets - 2, 1)
        low, high = low - bucket, high + bucket
    return np.linspace(max(low, 0.0) * 0.999, high * 1.001, buckets + 1)


def _snapshots(book: LevelBook, times: Times, edges: Floats) -> Iterator[HeatmapSnapshot]:
    notional = rasterise(book, times, edges, "notional")
    size = rasterise(book, times, edges, "size")
    amounts = np.concatenate((size.active, notional.active, notional.consumed))
    if not (np.isfinite(amounts).all() and (amounts >= 0.0).all()):
        raise ValueError("the map holds amounts that are negative or not finite")
    lows, highs = edges[:-1].tolist(), edges[1:].tolist()
    for column in range(times.size - 1):
        yield HeatmapSnapshot.model_construct(
            time=moment(times[column + 1]),
            cells=tuple(_cells(amounts[:, :, column], lows, highs)),
            opened=_pair(notional.opened[:, column]),
            closed=_pair(notional.closed[:, column]),
            liquidated=_pair(notional.liquidated[:, column]),
            open_interest=float(notional.open_interest[column]),
            coverage=_pair(notional.coverage[:, column]),
        )


def _cells(amounts: Floats, lows: list[float], highs: list[float]) -> Iterator[HeatmapCell]:
    """Yield a column's cells that hold anything, of amounts in the order of `_AMOUNTS`."""
    filled = np.flatnonzero(amounts[2:].sum(axis=0))
    for bucket, values in zip(filled.tolist(), amounts[:, filled].T.tolist(), strict=True):
        yield _unchecked((lows[bucket], highs[bucket], *values))


def _unchecked(values: tuple[float, ...]) -> HeatmapCell:
    """Return a cell whose values were checked as arrays: they are tens of thousands.

    What ``HeatmapCell.model_construct`` does, which is no quicker than checking.
    """
    cell = HeatmapCell.__new__(HeatmapCell)
    object.__setattr__(cell, "__dict__", dict(zip(_FIELDS, values, strict=True)))
    object.__setattr__(cell, "__pydantic_fields_set__", _ALL)
    object.__setattr__(cell, "__pydantic_extra__", None)
    object.__setattr__(cell, "__pydantic_private__", None)
    return cell


def _pair(sides: Floats) -> tuple[float, float]:
    return max(float(sides[0]), 0.0), max(float(sides[1]), 0.0)
