"""Bybit linear perpetual futures.

https://bybit-exchange.github.io/docs/v5/intro
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
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
    Ping,
    RateLimit,
    Refused,
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
from ingest.symbols import join_symbol, split_symbol

TOPIC = "allLiquidation."  # "liquidation." still answers, with at most one a second

# Bybit reports the side of the *position*: "Buy" is a long that was liquidated.
POSITION_SIDE: dict[str, Side] = {"Buy": LONG, "Sell": SHORT}

_BARS = {
    60: "1",
    180: "3",
    300: "5",
    900: "15",
    1800: "30",
    3600: "60",
    7200: "120",
    14_400: "240",
    21_600: "360",
    43_200: "720",
    86_400: "D",
    604_800: "W",
}
_INTEREST_BARS = {
    300: "5min",
    900: "15min",
    1800: "30min",
    3600: "1h",
    14_400: "4h",
    86_400: "1d",
}
_CANDLES, _INTERESTS, _FUNDINGS = 1000, 200, 200  # rows in a page
_BUSY = {"10006", "10018"}
_USDC = "PERP"


class Bybit:
    """All liquidations, in batches every half second."""

    exchange = "bybit"
    ping: Ping | None = Ping(every=20, frame=fields.dump({"op": "ping"}))
    liveness: Ping | None = None
    silence = 60.0
    data_silence: float | None = None
    max_age: float | None = None
    only_closed = False
    rate_limits: Mapping[str, RateLimit] = {"rest": RateLimit(600, 5)}
    history: Mapping[Kind, HistoryLimit] = {}
    unavailable: Mapping[Kind, str] = {}

    def __init__(
        self,
        stream_url: str = "wss://stream.bybit.com/v5/public/linear",
        rest_url: str = "https://api.bybit.com",
    ) -> None:
        self.stream_url, self.rest_url = stream_url, rest_url

    def native(self, symbol: str) -> str | None:
        """Return ``"BTCUSDT"``, and ``"BTCPERP"`` for what is settled in USDC."""
        assets = split_symbol(symbol)
        if assets is None:
            return None
        base, quote = assets
        return base + _USDC if quote == "USDC" else symbol

    def symbol(self, native: str) -> str | None:
        """Return the symbol, None for dated and inverse contracts."""
        if native.endswith(_USDC):
            return join_symbol(native.removesuffix(_USDC), "USDC")
        return native if native.endswith("USDT") and split_symbol(native) else None

    def topics(self, symbols: Sequence[str]) -> list[str]:
        """Return one topic for each symbol: there is none for all."""
        return [TOPIC + self._native(symbol) for symbol in symbols]

    def subscriptions(self, symbols: Sequence[str]) -> list[Frame]:
        """Return one subscription for each symbol: Bybit refuses a message whole for one topic."""
        return [
            fields.dump({"op": "subscribe", "req_id": topic, "args": [topic]})
            for topic in self.topics(symbols)
        ]

    def parse(self, text: Text, received: datetime, context: Context) -> Message:
        """Return what a message says."""
        with fields.reading(self.exchange, text) as message:
            topic = message.get("topic") if isinstance(message, dict) else None
            if not (isinstance(topic, str) and topic.startswith(TOPIC)):
                return _control(message)
            rows = fields.array(message, "data")
        return fields.read_rows(
            self.exchange, text, rows, lambda row: self._liquidation(row, received, context)
        )

    def _liquidation(self, row: Any, received: datetime, context: Context) -> Liquidation | None:
        symbol = self.symbol(fields.text(row, "s"))
        if symbol is None or not context.wants(symbol):
            return None
        side = fields.choice(row, "S", POSITION_SIDE)
        quantity = fields.take(row, "v", fields.positive)
        price = fields.take(row, "p", fields.positive)  # the position's equity is zero there
        return Liquidation(
            exchange=self.exchange,
            symbol=symbol,
            side=side,
            quantity=quantity,
            price=price,
            price_kind="bankruptcy",
            trigger_price=fields.trigger(price, side, context.maintenance_rate(symbol)),
            notional=fields.value(quantity, price),
            time=fields.take(row, "T", fields.from_millis),
            received=received,
            key=fields.natural_key(
                self.exchange, [row[name] for name in ("s", "S", "v", "p", "T")]
            ),
        )

    def candles(
        self, symbol: str, interval: timedelta, start: datetime, stop: datetime
    ) -> list[Request]:
        """Return requests for candles, 1000 a page."""
        return self._bars("kline", symbol, interval, start, stop)

    def mark_candles(
        self, symbol: str, interval: timedelta, start: datetime, stop: datetime
    ) -> list[Request]:
        """Return requests for candles of the mark price, 1000 a page."""
        return self._bars("mark-price-kline", symbol, interval, start, stop)

    def _bars(
        self, path: str, symbol: str, interval: timedelta, start: datetime, stop: datetime
    ) -> list[Request]:
        bar = fields.bar_name(_BARS, interval, self.exchange)
        return [
            self._request(path, symbol, interval=bar, start=first, end=last, limit=rows)
            for first, last, rows in fields.pages(start, stop, interval, _CANDLES)
        ]

    def read_candles(self, text: Text, symbol: str, interval: timedelta) -> list[Candle]:
        """Return the candles in an answer, which has the newest first."""
        with fields.reading(self.exchange, text) as answer:
            rows = self._list(answer, text)
            return [self._candle(row, symbol, interval) for row in reversed(rows)]

    def _candle(self, row: Any, symbol: str, interval: timedelta) -> Candle:
        row = fields.items(row, "candle", least=7)
        return Candle(
            exchange=self.exchange,
            symbol=symbol,
            interval_seconds=int(interval.total_seconds()),
            open_time=fields.from_millis(row[0], "start"),
            open=fields.positive(row[1], "open"),
            high=fields.positive(row[2], "high"),
            low=fields.positive(row[3], "low"),
            close=fields.positive(row[4], "close"),
            volume=fields.amount(row[5], "volume"),
            quote_volume=fields.amount(row[6], "turnover"),
        )

    def read_mark_candles(self, text: Text, symbol: str, interval: timedelta) -> list[MarkCandle]:
        """Return the candles of the mark price in an answer, which has the newest first."""
        with fields.reading(self.exchange, text) as answer:
            return [
                fields.mark_candle(row, self.exchange, symbol, interval)
                for row in reversed(self._list(answer, text))
            ]

    def open_interest_now(self, symbols: Sequence[str]) -> list[Request]:
        """Return one request for each symbol."""
        return [self._request("tickers", symbol) for symbol in symbols]

    def read_open_interest_now(self, text: Text, received: datetime) -> list[OpenInterest]:
        """Return the open interest in an answer, with one side counted."""
        with fields.reading(self.exchange, text) as answer:
            rows = self._list(answer, text)
            time = fields.take(answer, "time", fields.from_millis)
            return [
                self._open_interest(row, symbol, time)
                for row in rows
                if (symbol := self.symbol(fields.text(row, "symbol"))) is not None
            ]

    def open_interest_history(
        self, symbol: str, interval: timedelta, start: datetime, stop: datetime
    ) -> list[Request]:
        """Return requests for open interest, 200 a page."""
        bar = fields.bar_name(_INTEREST_BARS, interval, self.exchange)
        return [
            self._request(
                "open-interest",
                symbol,
                intervalTime=bar,
                startTime=first,
                endTime=last,
                limit=rows,
            )
            for first, last, rows in fields.pages(start, stop, interval, _INTERESTS)
        ]

    def read_open_interest_history(self, text: Text, symbol: str) -> list[OpenInterest]:
        """Return the open interest in an answer, with one side counted."""
        with fields.reading(self.exchange, text) as answer:
            return [
                self._open_interest(row, symbol, fields.take(row, "timestamp", fields.from_millis))
                for row in reversed(self._list(answer, text))
            ]

    def _open_interest(self, row: Any, symbol: str, time: datetime) -> OpenInterest:
        return OpenInterest(
            exchange=self.exchange,
            symbol=symbol,
            time=time,
            open_interest=_one_side(row, "singleOpenInterest", "openInterest"),
            notional=_one_side_value(row),
        )

    def funding(self, symbol: str, start: datetime, stop: datetime) -> list[Request]:
        """Return requests for funding rates; pages hold 200 of markets that pay hourly.

        A start alone is an error.
        """
        return [
            self._request("funding/history", symbol, startTime=first, endTime=last, limit=_FUNDINGS)
            for first, last, _ in fields.pages(start, stop, timedelta(hours=1), _FUNDINGS)
        ]

    def read_funding(self, text: Text, symbol: str) -> list[FundingRate]:
        """Return the funding rates in an answer, which has the newest first."""
        with fields.reading(self.exchange, text) as answer:
            return [
                FundingRate(
                    exchange=self.exchange,
                    symbol=symbol,
                    time=fields.take(row, "fundingRateTimestamp", fields.from_millis),
                    funding_rate=fields.take(row, "fundingRate", fields.real),
                )
                for row in reversed(self._list(answer, text))
            ]

    def tiers(self, symbols: Sequence[str]) -> list[Request]:
        """Return one request for each symbol."""
        return [self._request("risk-limit", symbol) for symbol in symbols]

    def read_tiers(self, text: Text, received: datetime, context: Context) -> list[Tiers]:
        """Return the leverage tiers in an answer."""
        with fields.reading(self.exchange, text) as answer:
            rows = sorted(self._list(answer, text), key=lambda row: fields.text(row, "symbol"))
            return [
                Tiers(
                    exchange=self.exchange,
                    symbol=symbol,
                    valid_from=received,
                    rows=_tier_rows(list(market)),
                )
                for native, market in groupby(rows, key=lambda row: fields.text(row, "symbol"))
                if (symbol := self.symbol(native)) is not None
            ]

    def instruments(self) -> list[Request]:
        """Return the request for the list of markets, 1000 a page."""
        return [self._instruments()]

    def _instruments(self, **page: str) -> Request:
        market: dict[str, str | int] = {"category": "linear", "status": "Trading", "limit": 1000}
        path = "/v5/market/instruments-info"
        return Request(path, market | page, following=self._more_instruments)

    def _more_instruments(self, text: Text) -> Request | None:
        with fields.reading(self.exchange, text) as answer:
            cursor = fields.mapping(answer, "result").get("nextPageCursor")
        return self._instruments(cursor=cursor) if isinstance(cursor, str) and cursor else None

    def read_instruments(self, text: Text) -> list[Instrument]:
        """Return the open perpetual markets in an answer."""
        with fields.reading(self.exchange, text) as answer:
            return [
                Instrument(
                    exchange=self.exchange,
                    symbol=symbol,
                    native=native,
                    contract_size=Decimal(1),  # quantities are in base asset
                    max_leverage=_max_leverage(row),
                )
                for row in self._list(answer, text)
                if fields.text(row, "contractType") == "LinearPerpetual"
                and fields.text(row, "status") == "Trading"
                and (symbol := self.symbol(native := fields.text(row, "symbol"))) is not None
            ]

    def _native(self, symbol: str) -> str:
        return fields.known(self.native(symbol), symbol, self.exchange)

    def _request(self, path: str, symbol: str, **parameters: str | int) -> Request:
        market = {"category": "linear", "symbol": self._native(symbol)}
        return Request(f"/v5/market/{path}", market | parameters)

    def _list(self, answer: Any, text: Text) -> list[Any]:
        code = fields.member(answer, "retCode")
        if code != 0:
            reason = str(answer.get("retMsg"))
            raise Refused(self.exchange, str(code), reason, text, busy=str(code) in _BUSY)
        return fields.array(fields.mapping(answer, "result"), "list")


def _control(message: Any) -> Message:
    if not isinstance(message, dict):
        raise FieldError("expected an object")
    if message.get("ret_msg") == "pong" or message.get("op") == "pong":
        return ControlAnswer("pong")
    if message.get("success") is False:
        topic = message.get("req_id")
        return Rejection(str(message.get("ret_msg")), topic=str(topic) if topic else None)
    if message.get("op") == "subscribe":
        return ControlAnswer("acknowledgement")
    return Ignored()


def _one_side(row: Any, single: str, both: str) -> float:
    # Bybit's open interest is the sum of longs and shorts; the figure for one side has been
    # beside it since June 2026.
    found = fields.optional(row, single, fields.amount)
    return fields.take(row, both, fields.amount) / 2 if found is None else found


def _one_side_value(row: Any) -> float | None:
    if not row.keys() & {"singleOpenInterestValue", "openInterestValue"}:
        return None
    return _one_side(row, "singleOpenInterestValue", "openInterestValue")


def _tier_rows(rows: list[Any]) -> tuple[TierRow, ...]:
    ordered = sorted(rows, key=lambda row: fields.take(row, "riskLimitValue", fields.positive))
    result: list[TierRow] = []
    for row in ordered:
        below = result[-1] if result else None
        result.append(_tier(row, below))
    return tuple(result)


def _tier(row: Any, below: TierRow | None) -> TierRow:
    floor = below.cap if below else 0.0
    leverage = fields.take(row, "maxLeverage", fields.positive)
    rate = fields.take(row, "maintenanceMargin", fields.positive)
    # It has been seen as "0.005" and, in percent, as "0.5". The margin that must remain is less
    # than the 1 / leverage that a position opens with, so what is not less is in percent.
    if rate >= 1.0 / leverage:
        rate /= 100.0
    deduction = fields.optional(row, "mmDeduction", fields.amount)
    if deduction is None:  # older answers lack it: the margin does not jump between tiers
        deduction = floor * (rate - below.maintenance_rate) + below.deduction if below else 0.0
    return TierRow(
        floor=floor,
        cap=fields.take(row, "riskLimitValue", fields.positive),
        max_leverage=leverage,
        maintenance_rate=rate,
        deduction=deduction,
    )


def _max_leverage(row: Any) -> float | None:
    return fields.optional(row.get("leverageFilter"), "maxLeverage", fields.positive)
