"""Taking fields out of messages that may hold anything, and times into what requests want.

Every function here raises ``FieldError``, and nothing else, for what it can't read; the adapter
turns that into a ``PayloadError`` that carries the whole message.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import orjson

from ingest.adapters.adapter import Context, Frame, Liquidations, PayloadError, Text
from ingest.records import Liquidation, MarkCandle, Side

Row = dict[str, Any]
T = TypeVar("T")

_NUMBER = re.compile(r"[+-]?\d{1,40}(\.\d{0,40})?([eE][+-]?\d{1,3})?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = 1_262_304_000_000  # 2010, before any exchange: a smaller number counts seconds
_LATEST = 4_102_444_800_000  # 2100
_SHOWN = 60


class FieldError(ValueError):
    """A field that can't be read: which, what was expected, what was found."""


class SizeNotKnown(FieldError):
    """A number of contracts whose size is not known, or not yet."""


def load(text: Text) -> Any:
    """Return what a JSON text says."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as e:
        raise FieldError(f"expected JSON, but {e}") from e


def dump(message: Any) -> Frame:
    """Return a message as JSON text."""
    return orjson.dumps(message).decode()


def mark_candle(row: Any, exchange: str, symbol: str, interval: timedelta) -> MarkCandle:
    """Return a bar of the mark price from a row that starts with its time and four prices."""
    row = items(row, "candle", least=5)
    return MarkCandle(
        exchange=exchange,
        symbol=symbol,
        interval_seconds=int(interval.total_seconds()),
        open_time=from_millis(row[0], "open time"),
        open=positive(row[1], "open"),
        high=positive(row[2], "high"),
        low=positive(row[3], "low"),
        close=positive(row[4], "close"),
    )


@contextmanager
def reading(exchange: str, text: Text) -> Iterator[Any]:
    """Give what a JSON text says; what can't be read of it is a ``PayloadError`` with the text."""
    try:
        yield load(text)
    except FieldError as e:
        raise PayloadError(exchange, str(e), text) from e


def member(row: Any, name: str) -> Any:
    """Return a field of an object."""
    if not isinstance(row, dict) or name not in row:
        raise FieldError(f"no field {name!r}")
    return row[name]


def mapping(row: Any, name: str) -> Row:
    """Return a field that is an object."""
    value = member(row, name)
    if not isinstance(value, dict):
        raise _unexpected(name, "an object", value)
    return value


def array(row: Any, name: str) -> list[Any]:
    """Return a field that is a list."""
    return items(member(row, name), name)


def items(value: Any, name: str, least: int = 0) -> list[Any]:
    """Return a value that is a list of at least so many."""
    if not isinstance(value, list) or len(value) < least:
        raise _unexpected(name, f"a list of at least {least}" if least else "a list", value)
    return value


def text(row: Any, name: str) -> str:
    """Return a field that is a text, and not an empty one."""
    value = member(row, name)
    if not isinstance(value, str) or not value:
        raise _unexpected(name, "a text", value)
    return value


def choice(row: Any, name: str, choices: Mapping[str, T]) -> T:
    """Return what a field's value stands for."""
    value = member(row, name)
    if not isinstance(value, str) or value not in choices:
        raise _unexpected(name, f"one of {', '.join(map(repr, choices))}", value)
    return choices[value]


def exact(value: Any, name: str) -> Decimal:
    """Return a decimal text, or a number, as a decimal."""
    written = repr(value) if type(value) in (int, float) else value
    if not isinstance(written, str) or not _NUMBER.fullmatch(written):
        raise _unexpected(name, "a number", value)
    return Decimal(written)


def real(value: Any, name: str) -> float:
    """Return a decimal text, or a number, as a float."""
    return _finite(exact(value, name), name)


def positive(value: Any, name: str) -> float:
    """Return a number above zero."""
    number = real(value, name)
    if number <= 0.0:
        raise _unexpected(name, "a number above 0", value)
    return number


def amount(value: Any, name: str) -> float:
    """Return a number that is not negative."""
    number = real(value, name)
    if number < 0.0:
        raise _unexpected(name, "a number of at least 0", value)
    return number


def whole(value: Any, name: str) -> int:
    """Return a whole number, not negative, that the database can hold."""
    if type(value) is not int or not 0 <= value < 2**63:
        raise _unexpected(name, "a whole number of at least 0 and below 2^63", value)
    return value


def times_size(value: Any, size: Decimal, name: str) -> float:
    """Return contracts × contract size, multiplied exactly: 13 × 0.01 is 0.13. [base]"""
    return _finite(exact(value, name) * size, name)


def take(row: Any, name: str, read: Callable[[Any, str], T]) -> T:
    """Return a field as ``read`` reads it."""
    return read(member(row, name), name)


def contract_size(native: str, context: Context) -> Decimal:
    """Return the base asset in one contract of the exchange's symbol."""
    if native not in context.contract_sizes:
        raise SizeNotKnown(f"no contract size of {native} is known: read the list of markets first")
    return context.contract_sizes[native]


def optional(row: Any, name: str, read: Callable[[Any, str], T]) -> T | None:
    """Return a field that may be absent, null or empty, None then."""
    value = row.get(name) if isinstance(row, dict) else None
    return None if value is None or value == "" else read(value, name)


def from_millis(value: Any, name: str) -> datetime:
    """Return the UTC time of a Unix timestamp in milliseconds, and of none in seconds."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,20}", value, re.ASCII):
        value = int(value)
    if type(value) is not int or not _EARLIEST <= value < _LATEST:
        raise _unexpected(name, "milliseconds since 1970", value)
    return _EPOCH + timedelta(milliseconds=value)


def millis(time: datetime) -> int:
    """Return a Unix timestamp in milliseconds; the time must be aware."""
    if time.tzinfo is None:
        raise ValueError(f"times must tell their zone, but {time} does not")
    return (time - _EPOCH) // timedelta(milliseconds=1)


def pages(
    start: datetime, stop: datetime, step: timedelta, rows: int
) -> Iterator[tuple[int, int, int]]:
    """Yield first and last millisecond, and number of rows, of pages of a range, oldest first.

    Parameters
    ----------
    start, stop : datetime
        The range, half-open.
    step : timedelta
        Distance between rows, or the least there may be.
    rows : int
        The most rows that the exchange puts into one page.

    Yields
    ------
    tuple of int
        The last millisecond belongs to the page, as exchanges count.
    """
    begin, end, width = millis(start), millis(stop), step // timedelta(milliseconds=1)
    for first in range(begin, end, width * rows):
        last = min(first + width * rows, end) - 1
        yield first, last, min(rows, (last - first) // width + 1)


def bar_name(names: Mapping[int, str], interval: timedelta, exchange: str) -> str:
    """Return the exchange's name of an interval.

    Raises
    ------
    ValueError
        If it has none of this length, naming those it has.
    """
    seconds = int(interval.total_seconds())
    if seconds not in names:
        raise ValueError(
            f"{exchange} has no interval of {seconds} s, only of {', '.join(map(str, names))} s"
        )
    return names[seconds]


def known(native: str | None, symbol: str, exchange: str) -> str:
    """Return the exchange's spelling of one of our symbols.

    Raises
    ------
    ValueError
        If it can have none.
    """
    if native is None:
        raise ValueError(f"expected a symbol like BTCUSDT, but {exchange} can have no {symbol!r}")
    return native


def trigger(bankruptcy_price: float, side: Side, maintenance_rate: float | None) -> float | None:
    """Return the price at which a position was liquidated from that of its zero equity. [quote]

    Notes
    -----
    Equity is zero at B and meets the maintenance margin m P at P. Per unit of base asset
    s (P - B) = m P, hence P = B / (1 - s m): above B for a long, below it for a short.
    """
    if maintenance_rate is None or not 0.0 <= maintenance_rate < 1.0:
        return None
    return bankruptcy_price / (1.0 - side * maintenance_rate)


def value(quantity: float, price: float) -> float:
    """Return quantity × price. [quote]"""
    result = quantity * price
    if not math.isfinite(result):
        raise FieldError(f"quantity {quantity:g} × price {price:g} is no number")
    return result


def read_rows(
    exchange: str,
    payload: Text,
    rows: Iterable[T],
    read: Callable[[T], Liquidation | None],
) -> Liquidations:
    """Return the liquidations in all rows of a message.

    Raises
    ------
    PayloadError
        If a row can't be read, with what the others say.
    """
    found: list[Liquidation] = []
    left_out = 0
    problems: list[FieldError] = []
    for row in rows:
        try:
            liquidation = read(row)
        except FieldError as e:
            problems.append(e)
            continue
        if liquidation is None:
            left_out += 1
        else:
            found.append(liquidation)
    if problems:
        more = f" (and {len(problems) - 1} more rows)" if len(problems) > 1 else ""
        later = any(isinstance(problem, SizeNotKnown) for problem in problems)
        raise PayloadError(exchange, f"{problems[0]}{more}", payload, tuple(found), later=later)
    return Liquidations(tuple(found), left_out)


def natural_key(exchange: str, fields: Sequence[Any]) -> str:
    """Return the text that tells one event from another."""
    return "|".join([exchange, *map(str, fields)])


def _finite(number: Decimal, name: str) -> float:
    result = float(number)
    if not math.isfinite(result):
        raise _unexpected(name, "a number that fits", number)
    return result


def _unexpected(name: str, expected: str, found: Any) -> FieldError:
    shown = repr(found)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
    return FieldError(f"expected {expected} in {name!r}, found {shown}")
