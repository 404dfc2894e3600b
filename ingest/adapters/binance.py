"""Binance USDⓈ-M futures.

https://developers.binance.com/docs/derivatives/usds-margined-futures
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from ingest.adapters import fields
from ingest.adapters.adapter import (
    Context,
    ControlAnswer,
    Frame,
    HistoryLimit,
    Ignored,
    Kind,
    Message,
    NotOffered,
    Ping,
    RateLimit,
    Rejection,
    Request,
    Text,
)
from ingest.adapters.fields import FieldError
from ingest.records import (
    LONG,
    SHORT,
    Candle,
    FundingRate,
    Instrument,
    Liquidation,
    MarkCandle,
    OpenInterest,
    Side,
    TierRow,
    Tiers,
)
from ingest.symbols import split_symbol

ALL_MARKETS = "!forceOrder@arr"
"""Liquidations of all markets. Half a message a second all day long, so that silence is a fault:
a stream of few symbols may be quiet for hours, and can't be told from a dead one."""

# The stream reports the liquidation order; a sell order closes a long position.
POSITION_SIDE: dict[str, Side] = {"SELL": LONG, "BUY": SHORT}
COIN_MARGINED = 2

_SUBSCRIBE, _LIST = 1, 2
_BARS = {
    60: "1m",
    180: "3m",
    300: "5m",
    900: "15m",
    1800: "30m",
    3600: "1h",
    7200: "2h",
    14_400: "4h",
    21_600: "6h",
    28_800: "8h",
    43_200: "12h",
    86_400: "1d",
    259_200: "3d",
    604_800: "1w",
}
_INTEREST_BARS = {s: _BARS[s] for s in (300, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400)}
_CANDLES, _INTERESTS, _FUNDINGS = 1500, 500, 1000  # rows in a page
_SIGNED = (
    "Binance shows leverage tiers to signed requests only. The shipped tables hold; or save the "
    "answer of /fapi/v1/leverageBracket to a file."
)


class Binance:
    """Liquidation orders, at most one per symbol and second: the largest, as Binance says."""

    exchange = "binance"
    ping: Ping | None = None  # the server pings; answering it is the connection's own work
    liveness: Ping | None = Ping(
        every=60, frame=fields.dump({"method": "LIST_SUBSCRIPTIONS", "id": _LIST})
    )
    silence = 150.0
    data_silence: float | None = 600.0
    max_age: float | None = 24 * 3600.0
    only_closed = False
    rate_limits: Mapping[str, RateLimit] = {
        "rest": RateLimit(2400, 60),
        "data": RateLimit(1000, 300),  # /futures/data counts requests, apart from the rest
        "funding": RateLimit(500, 300),
    }
    history: Mapping[Kind, HistoryLimit] = {
        "open_interest_history": HistoryLimit(
            "Binance answers for the open interest of the last 30 days; for more use "
            '"liqheat fetch", which loads its archive.',
            longest=timedelta(days=30) - timedelta(hours=1),  # an older start is an error
        )
    }
    unavailable: Mapping[Kind, str] = {"tiers": _SIGNED}

    def __init__(
        self,
        # Without /market it connects, acknowledges, and never sends a liquidation.
        stream_url: str = "wss://fstream.binance.com/market/ws",
        rest_url: str = "https://fapi.binance.com",
    ) -> None:
        self.stream_url, self.rest_url = stream_url, rest_url

    def native(self, symbol: str) -> str | None:
        """Return the symbol: Binance spells as we do."""
        return symbol if split_symbol(symbol) else None

    def symbol(self, native: str) -> str | None:
        """Return the symbol, None for dated and coin-margined contracts."""
        return native if split_symbol(native) else None

    def topics(self, symbols: Sequence[str]) -> list[str]:
        """Return the one topic for all markets."""
        return [ALL_MARKETS]

    def subscriptions(self, symbols: Sequence[str]) -> list[Frame]:
        """Return the subscription to all markets."""
        params = self.topics(symbols)
        return [fields.dump({"method": "SUBSCRIBE", "params": params, "id": _SUBSCRIBE})]

    def parse(self, text: Text, received: datetime, context: Context) -> Message:
        """Return what a message says; combined streams wrap it, raw ones do not."""
        with fields.reading(self.exchange, text) as message:
            if isinstance(message, dict) and "stream" in message:
                message = fields.member(message, "data")
            events = [e for e in _listed(message) if _is_liquidation(e)]
            if not events:
                return _control(message)
        return fields.read_rows(
            self.exchange, text, events, lambda event: self._liquidation(event, received, context)
        )

    def _liquidation(self, event: Any, received: datetime, context: Context) -> Liquidation | None:
        order = fields.mapping(event, "o")
        # The merged stream carries coin-margined markets too, whose quantities are contracts of
        # 10 or 100 USD. Its documentation has the mark beside the order, its messages in it.
        if COIN_MARGINED in (order.get("st"), event.get("st")):
            return None
        native = fields.text(order, "s")
        symbol = self.symbol(native)
        if symbol is None or not context.wants(symbol):
            return None
        # All that was filled, not the last part of it ("l") nor what was ordered ("q").
        quantity = fields.take(order, "z", fields.amount)
        if quantity == 0.0:
            return None
        # The average fill, which is near the trigger; "p" is the order's limit, at which the
        # position's equity is zero.
        price = fields.take(order, "ap", fields.positive)
        side = fields.choice(order, "S", POSITION_SIDE)
        return Liquidation(
            exchange=self.exchange,
            symbol=symbol,
            side=side,
            quantity=quantity,
            price=price,
            price_kind="fill",
            trigger_price=price,
            notional=fields.value(quantity, price),
            # The trade's own time; "E" is a second later, when the window of a second closed.
            time=fields.take(order, "T", fields.from_millis),
            received=received,
            # There is no order id.
            key=fields.natural_key(
                self.exchange, [order.get(name) for name in ("s", "S", "p", "ap", "q", "z", "T")]
            ),
        )

    def candles(
        self, symbol: str, interval: timedelta, start: datetime, stop: datetime
    ) -> list[Request]:
        """Return requests for candles, 1500 a page."""
        return self._bars("/fapi/v1/klines", symbol, interval, start, stop)

    def mark_candles(
        self, symbol: str, interval: timedelta, start: datetime, stop: datetime
    ) -> list[Request]:
        """Return requests for candles of the mark price, 1500 a page."""
        return self._bars("/fapi/v1/markPriceKlines", symbol, interval, start, stop)

    def _bars(
        self, path: str, symbol: str, interval: timedelta, start: datetime, stop: datetime
    ) -> list[Request]:
        bar = fields.bar_name(_BARS, interval, self.exchange)
        return [
            Request(
                path,
                {
                    "symbol": self._native(symbol),
                    "interval": bar,
                    "startTime": first,
                    "endTime": last,
                    "limit": rows,
                },
                weight=_candles_weight(rows),
            )
            for first, last, rows in fields.pages(start, stop, interval, _CANDLES)
        ]

    def read_candles(self, text: Text, symbol: str, interval: timedelta) -> list[Candle]:
        """Return the candles in an answer."""
        with fields.reading(self.exchange, text) as answer:
            return [self._candle(row, symbol, interval) for row in _rows(answer)]

    def _candle(self, row: Any, symbol: str, interval: timedelta) -> Candle:
        row = fields.items(row, "candle", least=10)
        return Candle(
            exchange=self.exchange,
            symbol=symbol,
            interval_seconds=int(interval.total_seconds()),
            open_time=fields.from_millis(row[0], "open time"),
            open=fields.positive(row[1], "open"),
            high=fields.positive(row[2], "high"),
            low=fields.positive(row[3], "low"),
            close=fields.positive(row[4], "close"),
            volume=fields.amount(row[5], "volume"),
            quote_volume=fields.amount(row[7], "quote volume"),
            taker_buy_volume=fields.amount(row[9], "taker buy volume"),
        )

    def read_mark_candles(self, text: Text, symbol: str, interval: timedelta) -> list[MarkCandle]:
        """Return the candles of the mark price in an answer."""
        with fields.reading(self.exchange, text) as answer:
            return [
                fields.mark_candle(row, self.exchange, symbol, interval) for row in _rows(answer)
            ]

    def open_interest_now(self, symbols: Sequence[str]) -> list[Request]:
        """Return one request for each symbol."""
        return [
            Request("/fapi/v1/openInterest", {"symbol": self._native(symbol)}) for symbol in symbols
        ]

    def read_open_interest_now(self, text: Text, received: datetime) -> list[OpenInterest]:
        """Return the open interest in an answer: base asset, one side counted."""
        with fields.reading(self.exchange, text) as row:
            symbol = self.symbol(fields.text(row, "symbol"))
            open_interest = fields.take(row, "openInterest", fields.amount)
            time = fields.take(row, "time", fields.from_millis)
        if symbol is None:
            return []
        return [
            OpenInterest(
                exchange=self.exchange, symbol=symbol, time=time, open_interest=open_interest
            )
        ]

    def open_interest_history(
        self, symbol: str, interval: timedelta, start: datetime, stop: datetime
    ) -> list[Request]:
        """Return requests for the open interest at the ends of intervals, 500 a page."""
        bar = fields.bar_name(_INTEREST_BARS, interval, self.exchange)
        return [
            Request(
                "/futures/data/openInterestHist",
                {
                    "symbol": self._native(symbol),
                    "period": bar,
                    "startTime": first,
                    "endTime": last,
                    "limit": rows,
                },
                limit="data",
            )
            for first, last, rows in fields.pages(start, stop, interval, _INTERESTS)
        ]

    def read_open_interest_history(self, text: Text, symbol: str) -> list[OpenInterest]:
        """Return the open interest in an answer, each at the end of its interval."""
        with fields.reading(self.exchange, text) as answer:
            return [
                OpenInterest(
                    exchange=self.exchange,
                    symbol=symbol,
                    time=fields.take(row, "timestamp", fields.from_millis),
                    open_interest=fields.take(row, "sumOpenInterest", fields.amount),
                    notional=fields.optional(row, "sumOpenInterestValue", fields.amount),
                )
                for row in _rows(answer)
            ]

    def funding(self, symbol: str, start: datetime, stop: datetime) -> list[Request]:
        """Return requests for funding rates; pages hold 1000 of markets that pay hourly.

        Both ends are always given: with a start alone Binance may answer with the newest rows.
        """
        return [
            Request(
                "/fapi/v1/fundingRate",
                {
                    "symbol": self._native(symbol),
                    "startTime": first,
                    "endTime": last,
                    "limit": _FUNDINGS,
                },
                limit="funding",
            )
            for first, last, _ in fields.pages(start, stop, timedelta(hours=1), _FUNDINGS)
        ]

    def read_funding(self, text: Text, symbol: str) -> list[FundingRate]:
        """Return the funding rates in an answer."""
        with fields.reading(self.exchange, text) as answer:
            return [
                FundingRate(
                    exchange=self.exchange,
                    symbol=symbol,
                    time=fields.take(row, "fundingTime", fields.from_millis),
                    funding_rate=fields.take(row, "fundingRate", fields.real),
                )
                for row in _rows(answer)
            ]

    def tiers(self, symbols: Sequence[str]) -> list[Request]:
        """Refuse: Binance wants a signature."""
        raise NotOffered(_SIGNED)

    def read_tiers(self, text: Text, received: datetime, context: Context) -> list[Tiers]:
        """Return the leverage tiers in a saved answer of ``/fapi/v1/leverageBracket``."""
        with fields.reading(self.exchange, text) as answer:
            return [
                Tiers(
                    exchange=self.exchange,
                    symbol=symbol,
                    valid_from=received,
                    rows=tuple(_tier(row) for row in fields.array(market, "brackets")),
                )
                for market in _rows(answer)
                if (symbol := self.symbol(fields.text(market, "symbol"))) is not None
            ]

    def instruments(self) -> list[Request]:
        """Return the request for the list of markets."""
        return [Request("/fapi/v1/exchangeInfo")]

    def read_instruments(self, text: Text) -> list[Instrument]:
        """Return the open perpetual markets in an answer."""
        with fields.reading(self.exchange, text) as answer:
            return [
                Instrument(
                    exchange=self.exchange,
                    symbol=symbol,
                    native=symbol,
                    contract_size=Decimal(1),  # quantities are in base asset
                )
                for row in fields.array(answer, "symbols")
                # A market that is to open later has no contract type yet.
                if fields.member(row, "contractType") == "PERPETUAL"
                and fields.member(row, "status") == "TRADING"
                and (symbol := self.symbol(fields.text(row, "symbol"))) is not None
            ]

    def _native(self, symbol: str) -> str:
        return fields.known(self.native(symbol), symbol, self.exchange)


def _listed(message: Any) -> list[Any]:
    return message if isinstance(message, list) else [message]


def _is_liquidation(event: Any) -> bool:
    return isinstance(event, dict) and event.get("e") == "forceOrder"


def _control(message: Any) -> Message:
    if not isinstance(message, dict):
        raise FieldError("expected an object")
    if (error := message.get("error", message if "code" in message else None)) is not None:
        return Rejection(reason=str(error.get("msg", error) if isinstance(error, dict) else error))
    if "result" not in message:
        return Ignored()
    result = message["result"]
    if isinstance(result, list):  # what LIST_SUBSCRIPTIONS answers
        return ControlAnswer("liveness", topics=tuple(map(str, result)))
    return ControlAnswer("acknowledgement")


def _rows(answer: Any) -> list[Any]:
    return fields.items(answer, "answer")


def _candles_weight(rows: int) -> int:
    return 1 if rows < 100 else 2 if rows < 500 else 5 if rows <= 1000 else 10


def _tier(row: Any) -> TierRow:
    return TierRow(
        floor=fields.take(row, "notionalFloor", fields.amount),
        cap=fields.take(row, "notionalCap", fields.positive),
        max_leverage=fields.take(row, "initialLeverage", fields.positive),
        maintenance_rate=fields.take(row, "maintMarginRatio", fields.amount),
        deduction=fields.take(row, "cum", fields.amount),
    )
