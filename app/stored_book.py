"""A level book with what pictures need beside it, and its form as bytes, without pickle."""

import io
import logging
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.stored_shapes import check_arrays
from components.view import Candles
from engine.book import LevelBook
from engine.ensemble import Book, EnsembleBook
from engine.frontier_kernel import Closings
from engine.kernels import Bars, Ledger, Tiers
from engine.market import Market
from engine.models import LiquidationModel, members_of
from engine.parameters import Parameters
from engine.rules import Before, holders_of
from ingest.coverage import MarketCoverage

log = logging.getLogger(__name__)

_PARTS: dict[str, Any] = {"bars": Bars, "tiers": Tiers, "ledger": Ledger, "closings": Closings}
LASTING = np.timedelta64(1, "h")
"""How long an exchange's last state stands when its data end before others' do."""

_DAMAGED = (
    ValueError, TypeError, LookupError, OverflowError, MemoryError, OSError, EOFError,
    RuntimeError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What NumPy and zipfile raise where something else is than they expect."""

_CANDLES = [field.name for field in fields(Candles)]


@dataclass(frozen=True, slots=True, eq=False)
class StoredBook:
    """What is kept of a market for one model.

    Attributes
    ----------
    book : LevelBook or EnsembleBook
        The model's result.
    candles : Candles
        Last-price candles of the same bars.
    marked : ndarray of bool, shape (n,)
        Which bars' levels the mark price kills; the last price those of the others.
    assumed_margin : bool
        Whether its leverage tiers stand in for unknown ones.
    """

    book: Book
    candles: Candles
    marked: NDArray[np.bool_]
    assumed_margin: bool

    @property
    def start(self) -> np.datetime64:
        """Start of the first bar. [UTC]"""
        start: np.datetime64 = self.book.open_time[0]
        return start

    @property
    def stop(self) -> np.datetime64:
        """Moment until which the last state stands: `LASTING` after the last bar. [UTC]"""
        return self.book.stop + LASTING

    @property
    def crossing_price(self) -> str:
        """Which price kills levels: ``"mark"``, ``"last"`` or ``"mark or last"``."""
        if not self.marked.any():
            return "last"
        return "mark" if self.marked.all() else "mark or last"

    def until(self, time: np.datetime64) -> "StoredBook":
        """Return it as it stood at a moment: of the bars that had ended by then. [UTC]"""
        book = self.book.until(time)
        bars = slice(0, len(book))
        candles = Candles(*(getattr(self.candles, name)[bars] for name in _CANDLES))
        return replace(self, book=book, candles=candles, marked=self.marked[bars])

    def extended(self, book: Book, market: Market) -> "StoredBook":
        """Return it with a book that has grown by the bars of a market."""
        columns = (market.open_time, market.open, market.high, market.low, market.close)
        known = (getattr(self.candles, name) for name in _CANDLES)
        candles = Candles(*(np.concatenate(pair) for pair in zip(known, columns, strict=True)))
        marked = np.concatenate((self.marked, _marked(market)))
        return replace(self, book=book, candles=candles, marked=marked)

    def is_known(self, start: np.datetime64, stop: np.datetime64) -> bool:
        """Return whether there is a state anywhere in ``start <= time < stop``."""
        return bool(len(self.book) and self.start < stop and self.stop > start)


def time64(time: datetime) -> np.datetime64:
    """Return an aware time as the engine counts it."""
    return np.datetime64(time.astimezone(UTC).replace(tzinfo=None), "us")


def build_stored(market: Market, model: LiquidationModel) -> StoredBook:
    """Return a model's book of a market; ``ValueError`` if the market lacks what it needs."""
    return StoredBook(
        book=model.build_book(market),
        candles=Candles(market.open_time, market.open, market.high, market.low, market.close),
        marked=_marked(market),
        assumed_margin=any(rules.assumed for rules in market.margin),
    )


def _marked(market: Market) -> NDArray[np.bool_]:
    return np.zeros(len(market), np.bool_) if market.marked is None else market.marked


def to_bytes(stored: StoredBook) -> bytes:
    """Return all arrays as an uncompressed npz file."""
    file = io.BytesIO()
    np.savez(file, **dict(_arrays(stored)))  # type: ignore[arg-type]
    return file.getvalue()


def from_bytes(content: bytes, market: MarketCoverage, parameters: Parameters) -> StoredBook | None:
    """Return what was made into bytes, None (and a line in the log) if they are damaged."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return _read(arrays, market, parameters)
    except _DAMAGED as e:
        log.warning("A cached book of %s is damaged and is built anew: %s", market.symbol, e)
        return None


def _read(arrays: Any, market: MarketCoverage, parameters: Parameters) -> StoredBook:
    return StoredBook(
        book=_read_book(arrays, market, parameters),
        candles=Candles(*(arrays[f"candles_{name}"] for name in _CANDLES)),
        marked=arrays["marked"],
        assumed_margin=bool(arrays["assumed_margin"]),
    )


def _read_book(arrays: Any, market: MarketCoverage, parameters: Parameters) -> Book:
    if not parameters.members:
        return _read_levels(arrays, market, parameters, "")
    members = members_of(parameters.members)
    return EnsembleBook(
        parameters=parameters,
        parts=tuple(
            _read_levels(arrays, market, model.parameters, f"{model.name}_") for model, _ in members
        ),
        shares=tuple(share for _, share in members),
    )


def _read_levels(
    every: Mapping[str, Any], market: MarketCoverage, parameters: Parameters, prefix: str
) -> LevelBook:
    """Return one model's book, whose own arrays have names with a prefix."""
    own = {name.removeprefix(prefix): every[name] for name in every if name.startswith(prefix)}
    arrays = {**every, **own}
    parts: dict[str, Any] = {
        name: part(*(arrays[f"{name}_{field}"] for field in part._fields))
        for name, part in _PARTS.items()
    }
    holders = holders_of(parts["tiers"], parameters)
    check_arrays(arrays, holders)
    open_interest, known = arrays["last"]
    return LevelBook(
        exchange=market.exchange,
        symbol=market.symbol,
        interval=timedelta(microseconds=int(arrays["interval"])),
        open_time=arrays["candles_open_time"],
        close=arrays["candles_close"],
        open_interest=arrays["open_interest"],
        parameters=parameters,
        holders=holders,
        death=arrays["death"],
        last=Before(arrays["last_stop"][()], float(open_interest), bool(known)),
        **parts,
    )


def _arrays(stored: StoredBook) -> Iterator[tuple[str, NDArray[Any]]]:
    book = stored.book
    yield "marked", stored.marked
    yield "assumed_margin", np.array(stored.assumed_margin)
    for name in _CANDLES:
        yield f"candles_{name}", getattr(stored.candles, name)
    if not isinstance(book, EnsembleBook):
        yield from _levels(book)
        return
    members = members_of(book.parameters.members)
    for (model, _), part in zip(members, book.parts, strict=True):
        yield from ((f"{model.name}_{name}", array) for name, array in _levels(part))


def _levels(book: LevelBook) -> Iterator[tuple[str, NDArray[Any]]]:
    yield "open_interest", book.open_interest
    yield "death", book.death
    yield "interval", np.array(book.interval // timedelta(microseconds=1))
    yield "last_stop", np.array(book.last.stop)
    yield "last", np.array([book.last.open_interest, book.last.known], np.float64)
    for name, part in _PARTS.items():
        for field in part._fields:
            yield f"{name}_{field}", getattr(getattr(book, name), field)
