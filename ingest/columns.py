"""Columns on their way into the database and out of it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
"""Arrays of one length by column name."""

Columns = Mapping[str, Any]
"""Arrays of one length by column name; a scalar stands for a column of that value."""

NO_TRADE_ID = -1
"""Stands for no trade id in columns of whole numbers, which know no NaN; stored as NULL."""

MARKET = ("exchange", "symbol")
REQUIRED: dict[str, tuple[str, ...]] = {
    "candles": ("interval_seconds", "open_time", "open", "high", "low", "close", "volume"),
    "mark_candles": ("interval_seconds", "open_time", "open", "high", "low", "close"),
    "open_interest": ("time", "open_interest"),
    "funding_rates": ("time", "funding_rate"),
    "liquidations": ("time", "side", "quantity", "price"),
    "leverage_tiers": ("valid_from", "floor", "cap", "max_leverage", "maintenance_rate"),
    "simulated_positions": (
        "opened",
        "closed",
        "end_reason",
        "side",
        "quantity",
        "entry_price",
        "leverage",
        "liquidation_price",
    ),
}
OPTIONAL: dict[str, dict[str, Any]] = {
    "candles": {"quote_volume": np.nan, "taker_buy_volume": np.nan},
    "open_interest": {"open_interest_notional": np.nan},
    "funding_rates": {"interval_hours": np.nan},
    "leverage_tiers": {"deduction": 0.0, "closing_fee": 0.0},
    "liquidations": {
        "price_kind": "",
        "trigger_price": np.nan,
        "received_at": np.datetime64("NaT", "us"),
        "trade_id": NO_TRADE_ID,
    },
}
_TEXT = {"exchange", "symbol", "end_reason", "price_kind"}
_TIMES = {"open_time", "time", "valid_from", "opened", "closed", "received_at"}
_WHOLE = {"interval_seconds": np.int32, "side": np.int8, "trade_id": np.int64}
_MAY_BE_UNKNOWN = {"closed", "cap"}


def batch(table: str, columns: Columns) -> dict[str, NDArray[Any]]:
    """Return columns as a table takes them.

    Parameters
    ----------
    table : str
        A table of the database.
    columns : mapping
        Arrays or scalars; ``interval`` (a timedelta) may stand for ``interval_seconds``, ``side``
        is +1 or -1.

    Raises
    ------
    ValueError
        If a column is missing, unknown, of another length, or holds what can't be stored.
    """
    given = dict(columns)
    if isinstance(interval := given.pop("interval", None), timedelta):
        given["interval_seconds"] = int(interval.total_seconds())
    _check_names(table, given)
    given = OPTIONAL.get(table, {}) | given
    length = _common_length(table, given)
    return {name: _column(table, name, value, length) for name, value in given.items()}


def unmasked(columns: Arrays) -> Arrays:
    """Return columns as DuckDB gives them without their masks: NULL becomes NaN or NaT."""
    return {name: _unmasked(values) for name, values in columns.items()}


def _check_names(table: str, given: Columns) -> None:
    required = {*MARKET, *REQUIRED[table]}
    known = required | OPTIONAL.get(table, {}).keys()
    if missing := sorted(required - given.keys()):
        raise ValueError(f"{table} need the columns {_and(missing)}")
    if unknown := sorted(given.keys() - known):
        raise ValueError(f"{table} have no column {_and(unknown)}, only {_and(sorted(known))}")


def _common_length(table: str, given: Columns) -> int:
    lengths = {name: len(value) for name, value in given.items() if np.ndim(value) == 1}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"columns of {table} must have one length, but have {lengths}")
    return next(iter(lengths.values()))


def _column(table: str, name: str, value: Any, length: int) -> NDArray[Any]:
    if name in _TEXT:
        column = np.full(length, value, dtype=object)
    elif name in _TIMES:
        column = np.full(length, value, dtype="datetime64[us]")
    else:
        column = np.full(length, value, dtype=_WHOLE.get(name, np.float64))
    _check_values(table, name, column)
    return column


def _check_values(table: str, name: str, column: NDArray[Any]) -> None:
    if name == "side" and np.any(np.abs(column) != 1):
        raise ValueError(f"side of {table} must be +1 (long) or -1 (short)")
    known = name in REQUIRED[table] and name not in _MAY_BE_UNKNOWN and name not in _TEXT
    if known and not np.all(np.isfinite(column)):
        raise ValueError(f"{name} of {table} must be known in every row")


def _and(names: Sequence[str]) -> str:
    return ", ".join(names)


def _unmasked(values: NDArray[Any]) -> NDArray[Any]:
    if not isinstance(values, np.ma.MaskedArray):
        return values
    missing = np.datetime64("NaT", "us") if values.dtype.kind == "M" else np.nan
    return values.filled(missing) if values.mask.any() else values.data
