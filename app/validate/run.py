"""Compare what was observed with the map of before, as it comes."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np

from app.heatmaps import StoredHeatmaps
from app.validate.lines import (
    Line,
    LinesFile,
    LiquidationLine,
    PositionLine,
    RunLine,
    SummaryLine,
)
from app.validate.maps import BAR, PATIENCE, EarlierMaps, Terms, before, floor, moments
from app.validate.summary import Summary, summarise
from app.validate.zones import STEP
from app.version import program_version
from engine.snapshots import moment
from engine.version import engine_version
from ingest.positions import observed_positions
from ingest.store import Arrays, Store

EXCHANGE = "hyperliquid"
"""Whose positions can be observed."""

AGAIN = timedelta(hours=1)
"""How often the same position is compared."""

_TELLS_APART = ("time", "side", "quantity", "price", "trade_id")
"""What two liquidations of an exchange differ in."""

_REACH_BACK = timedelta(minutes=10)  # longer than anything waits for its bar


@dataclass(slots=True)
class Comparison:
    """Compares what a database holds with its maps, and writes it down.

    Attributes
    ----------
    store, heatmaps : Store, StoredHeatmaps
        What was observed, and the maps.
    terms : Terms
        What to compare.
    start : datetime
        From when on; what was seen before is left alone.
    file : LinesFile
        Where lines go.
    """

    store: Store
    heatmaps: StoredHeatmaps
    terms: Terms
    start: datetime
    file: LinesFile
    lines: list[Line] = field(default_factory=list)
    _looked: datetime | None = None
    _maps: EarlierMaps = field(init=False)
    _due: dict[tuple[str, int], datetime] = field(default_factory=dict)
    _unmapped: dict[tuple[str, int], PositionLine] = field(default_factory=dict)
    _liquidations: set[tuple[Any, ...]] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Make the maps, which are written down as they are needed."""
        self._maps = EarlierMaps(self.heatmaps, self.terms, self._write)

    def begin(self) -> None:
        """Write down the terms."""
        self._write(
            RunLine(
                start=self.start,
                symbol=self.terms.symbol,
                exchanges=self.terms.exchanges,
                model=self.terms.assumed,
                within=self.terms.reach.within,
                share=self.terms.reach.share,
                step=STEP,
                users=self.terms.users,
                version=program_version(),
                engine=engine_version(),
            )
        )

    def look(self, now: datetime, *, last: bool = False) -> None:
        """Compare what has come and can be compared by now.

        The last look compares the rest, too, and notes what has no map.
        """
        since = max(self.start, (self._looked or self.start) - _REACH_BACK)
        self._looked = now
        spans = observed_positions(self.store, EXCHANGE, self.terms.symbol, since, now)
        for row in self._due_rows(spans):
            self._see(row, now, last)
        self._see_liquidations(since, now, last)
        if last:
            for key, line in self._unmapped.items():
                if key not in self._due:
                    self._write(line)

    @property
    def told(self) -> str:
        """How far it is, for the reader."""
        kinds = [line.kind for line in self.lines]
        return f"{kinds.count('position'):,} positions, {kinds.count('liquidation'):,} liquidations"

    def end(self, now: datetime) -> Summary:
        """Write down what it came to, and return that."""
        summary = summarise(self.lines)
        self._write(SummaryLine(stop=now, summary=summary))
        return summary

    # Positions

    def _due_rows(self, spans: Arrays) -> Iterator[dict[str, Any]]:
        """Yield the spans of positions that are to be compared; most are not, for an hour."""
        columns = (spans[name].tolist() for name in ("user", "side", "last_seen"))
        for place, (user, side, until) in enumerate(zip(*columns, strict=True)):
            due = self._due.get((_digest(user), side))
            if due is None or until.replace(tzinfo=UTC) >= due:
                yield {name: column[place] for name, column in spans.items()}

    def _see(self, row: dict[str, Any], now: datetime, last: bool) -> None:
        """Compare a position once for as long as it stayed the same, and again when it is due."""
        user = _digest(str(row["user"]))
        key = user, int(row["side"])
        first, until = _aware(row["first_seen"]), _aware(row["last_seen"])
        due = self._due.get(key)
        if until < self.start or (due is not None and until < due):
            return
        for time in moments(max(first, self.start, due or self.start), until):
            if not (last or self._maps.is_ready(before(time), now)):
                return
            line = self._position(row, user, time)
            if line.result != "no map":
                self._due[key] = time + AGAIN
                self._write(line)
                return
            self._unmapped.setdefault(key, line)

    def _position(self, row: dict[str, Any], user: str, time: datetime) -> PositionLine:
        price = float(row["liquidation_price"])
        known = self._maps.at(before(time))
        common: dict[str, Any] = {
            "time": time,
            "user": user,
            "side": int(row["side"]),
            "quantity": float(row["quantity"]),
            "entry_price": float(row["entry_price"]),
            "leverage": float(row["leverage"]),
            "isolated": bool(row["isolated"]),
            "liquidation_price": None if np.isnan(price) else price,
            "notional": float(row["quantity"] * (row["entry_price"] if np.isnan(price) else price)),
            "model": self.terms.assumed,
            "engine": engine_version(),
        }
        if known is None:
            return PositionLine(**common, result="no map")
        common |= {"as_of": known.as_of, "watermark": known.watermark}
        if np.isnan(price):
            return PositionLine(**common, result="no price")
        common |= {"distance": price / known.zones.price - 1.0}
        place = known.zones.place(common["side"], price)
        if place is None:
            return PositionLine(**common, result="outside")
        return PositionLine(
            **common,
            result="compared",
            bucket=place.bucket,
            map_notional=place.notional,
            rank=place.rank,
            hot=place.hot,
            geometry_hot=known.geometry.is_hot(price),
            covered=known.zones.covered(common["side"]),
        )

    # Liquidations

    def _see_liquidations(self, since: datetime, now: datetime, last: bool) -> None:
        for exchange in self.terms.exchanges:
            found = self.store.liquidations(exchange, self.terms.symbol, since, now)
            for row in _rows(found):
                key = (exchange, *(row[name] for name in _TELLS_APART))
                # The candle that it fell in must have come, too.
                bar = floor(_aware(row["time"]))
                if key in self._liquidations or not (last or now >= bar + BAR + PATIENCE):
                    continue
                self._liquidations.add(key)
                self._write(self._liquidation(exchange, row, bar))

    def _liquidation(self, exchange: str, row: dict[str, Any], bar: datetime) -> LiquidationLine:
        trigger = row.get("trigger_price", np.nan)
        price = float(row["price"] if np.isnan(trigger) else trigger)
        time = _aware(row["time"])
        common: dict[str, Any] = {
            "time": time,
            "exchange": exchange,
            "side": int(row["side"]),
            "quantity": float(row["quantity"]),
            "price": price,
            "notional": float(row["quantity"]) * price,
            "model": self.terms.assumed,
            "engine": engine_version(),
        }
        known = self._maps.at(before(time))
        if known is None:
            return LiquidationLine(**common, result="no map")
        place = known.zones.bucket(price)
        common |= {
            "as_of": known.as_of,
            "watermark": known.watermark,
            "bucket": place,
            "map_notional": None if place is None else float(known.zones.notional[place]),
            "hot": known.zones.is_hot(price),
        }
        candles = self.store.bars(exchange, self.terms.symbol, bar, bar + BAR)
        if not len(candles.open_time):
            return LiquidationLine(**common, result="no candle")
        low, high = float(np.min(candles.low)), float(np.max(candles.high))
        # The price that it started at may be the mark price, which trades need not have touched.
        low, high = min(low, price), max(high, price)
        return LiquidationLine(
            **common,
            result="compared",
            low=low,
            high=high,
            covered=known.zones.covered_between(low, high),
        )

    def _write(self, line: Line) -> None:
        self.file.write(line)
        self.lines.append(line)


@cache
def _digest(user: str) -> str:
    """Return what stands for an address, which can be found by who knows it."""
    return hashlib.sha256(user.lower().encode()).hexdigest()[:16]


def _rows(columns: Arrays) -> Iterator[dict[str, Any]]:
    """Yield rows of columns, oldest first as they are."""
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))


def _aware(time: np.datetime64) -> datetime:
    return moment(time)
