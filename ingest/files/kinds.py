"""The kinds of data that files hold, and the columns that say what."""

from dataclasses import dataclass
from enum import StrEnum

TIME = "TIME"
"""A column of whole seconds, milliseconds or microseconds since 1970, or of UTC date and time."""


class Kind(StrEnum):
    """What a file holds."""

    CANDLES = "candles"
    MARK_CANDLES = "mark-candles"
    METRICS = "metrics"
    FUNDING = "funding"
    TRADES = "trades"
    LIQUIDATIONS = "liquidations"
    NODE_FILLS = "node-fills"
    """Fills of Hyperliquid's nodes, lines of JSON: see `ingest.files.node_fills`."""


@dataclass(frozen=True, slots=True)
class Field:
    """One column that is read.

    Attributes
    ----------
    name, type : str
        What the statements call it, and its SQL type (or `TIME`).
    accepted : tuple of str
        Names in files, in lower case.
    required : bool
        Whether a file must have it.
    """

    name: str
    type: str
    accepted: tuple[str, ...]
    required: bool = True


@dataclass(frozen=True, slots=True)
class Format:
    """Columns of one kind of file.

    Attributes
    ----------
    table : str
        Where its rows go.
    archive_columns : tuple of str
        Binance's columns in their order, for its files without a header.
    fields : tuple of Field
        Columns that are read.
    unread : tuple of str
        Columns that may be there and are not read.
    """

    table: str
    archive_columns: tuple[str, ...]
    fields: tuple[Field, ...]
    unread: tuple[str, ...] = ()

    def accepts(self, name: str) -> bool:
        """Return whether a file may have a column of this name."""
        return name in self.unread or any(name in field.accepted for field in self.fields)

    def wanted(self) -> str:
        """Return the accepted columns in words."""
        needed = [" or ".join(field.accepted) for field in self.fields if field.required]
        others = [*(n for f in self.fields if not f.required for n in f.accepted), *self.unread]
        return f"{', '.join(needed)}; and optionally {', '.join(dict.fromkeys(others))}"


_SYMBOL = Field("symbol", "VARCHAR", ("symbol",), required=False)
_MOMENT = ("time", "timestamp", "datetime", "date")
_PRICES = tuple(Field(name, "DOUBLE", (name, name[0])) for name in ("open", "high", "low", "close"))
_QUOTE_VOLUME = ("quote_volume", "quote_asset_volume")
_TAKER_VOLUME = ("taker_buy_volume", "taker_buy_base_volume", "taker_buy_base_asset_volume")
_KLINE_COLUMNS = (
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "ignore",
)
_KLINE_UNREAD = (
    "close_time",
    "count",
    "trades",
    "number_of_trades",
    "taker_buy_quote_volume",
    "taker_buy_quote_asset_volume",
    "ignore",
)
_OPEN_TIME = Field("time", TIME, ("open_time", *_MOMENT))

FORMATS: dict[Kind, Format] = {
    Kind.CANDLES: Format(
        "candles",
        _KLINE_COLUMNS,
        (
            _OPEN_TIME,
            *_PRICES,
            Field("volume", "DOUBLE", ("volume", "v")),
            Field("quote_volume", "DOUBLE", _QUOTE_VOLUME, required=False),
            Field("taker_buy_volume", "DOUBLE", _TAKER_VOLUME, required=False),
            _SYMBOL,
        ),
        _KLINE_UNREAD,
    ),
    Kind.MARK_CANDLES: Format(
        "mark_candles",
        _KLINE_COLUMNS,
        (_OPEN_TIME, *_PRICES, _SYMBOL),
        ("volume", "v", *_QUOTE_VOLUME, *_TAKER_VOLUME, *_KLINE_UNREAD),
    ),
    Kind.METRICS: Format(
        "open_interest",
        (
            "create_time",
            "symbol",
            "sum_open_interest",
            "sum_open_interest_value",
            "count_toptrader_long_short_ratio",
            "sum_toptrader_long_short_ratio",
            "count_long_short_ratio",
            "sum_taker_long_short_vol_ratio",
        ),
        (
            Field("time", TIME, ("create_time", *_MOMENT)),
            Field("open_interest", "DOUBLE", ("sum_open_interest", "open_interest")),
            Field(
                "open_interest_notional",
                "DOUBLE",
                ("sum_open_interest_value", "open_interest_value", "open_interest_notional"),
                required=False,
            ),
            _SYMBOL,
        ),
        (
            "count_toptrader_long_short_ratio",
            "sum_toptrader_long_short_ratio",
            "count_long_short_ratio",
            "sum_taker_long_short_vol_ratio",
        ),
    ),
    Kind.FUNDING: Format(
        "funding_rates",
        ("calc_time", "funding_interval_hours", "last_funding_rate"),
        (
            Field("time", TIME, ("calc_time", "funding_time", *_MOMENT)),
            Field("funding_rate", "DOUBLE", ("last_funding_rate", "funding_rate")),
            Field(
                "interval_hours",
                "DOUBLE",
                ("funding_interval_hours", "interval_hours"),
                required=False,
            ),
            _SYMBOL,
        ),
        ("mark_price",),
    ),
    Kind.TRADES: Format(
        "candles",
        (
            "agg_trade_id",
            "price",
            "quantity",
            "first_trade_id",
            "last_trade_id",
            "transact_time",
            "is_buyer_maker",
        ),
        (
            Field("trade_id", "BIGINT", ("agg_trade_id", "trade_id", "id")),
            Field("price", "DOUBLE", ("price",)),
            Field("quantity", "DOUBLE", ("quantity", "qty")),
            Field("time", TIME, ("transact_time", *_MOMENT)),
            Field("is_buyer_maker", "BOOLEAN", ("is_buyer_maker",)),
            _SYMBOL,
        ),
        ("first_trade_id", "last_trade_id", "quote_qty"),
    ),
    Kind.LIQUIDATIONS: Format(
        "liquidations",
        (
            "time",
            "side",
            "order_type",
            "time_in_force",
            "original_quantity",
            "price",
            "average_price",
            "order_status",
            "last_fill_quantity",
            "accumulated_fill_quantity",
        ),
        (
            Field("time", TIME, _MOMENT),
            Field("side", "VARCHAR", ("side",)),
            Field("quantity", "DOUBLE", ("accumulated_fill_quantity", "quantity")),
            Field("price", "DOUBLE", ("average_price", "price")),
            _SYMBOL,
        ),
        (
            "order_type",
            "time_in_force",
            "original_quantity",
            "order_status",
            "last_fill_quantity",
        ),
    ),
}
