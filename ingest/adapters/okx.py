"""OKX linear perpetual swaps.

https://www.okx.com/docs-v5/en/
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
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

CHANNEL = "liquidation-orders"
TAKER_FEE = 0.0005
"""OKX tests the margin against maintenance and the fee of closing, that of a regular user. [-]"""

POSITION_SIDE: dict[str, Side] = {"long": LONG, "short": SHORT}
# Accounts in net mode report no side of the position; the order that closes a long sells.
SIDE_OF_ORDER: dict[str, Side] = {"sell": LONG, "buy": SHORT}

_PING, _PONG = "ping", "pong"
_SWAP = "-SWAP"
# From six hours on, bars open at midnight in Hong Kong unless their name ends in utc.
_INTEREST_BARS = {
    300: "5m",
    900: "15m",
    1800: "30m",
    3600: "1H",
    7200: "2H",
    14_400: "4H",
    21_600: "6Hutc",
    43_200: "12Hutc",
    86_400: "1Dutc",
    259_200: "3Dutc",
    604_800: "1Wutc",
}
_BARS = {60: "1m", 180: "3m"} | _INTEREST_BARS
_CANDLES, _MARK_CANDLES, _INTERESTS, _FUNDINGS = 300, 100, 100, 100  # rows in a page
_FAMILIES = 5
_BUSY = {"50011", "50013"}


class Okx:
    """Liquidations of all swaps; OKX says that they may not be all there are."""

    exchange = "okx"
    ping: Ping | None = Ping(every=20, frame=_PING)
    liveness: Ping | None = None
    silence = 60.0
    data_silence: float | None = None
    max_age: float | None = None
    only_closed = True
    rate_limits: Mapping[str, RateLimit] = {
        "rest": RateLimit(20, 2),
        "history-candles": RateLimit(20, 2),
        "history-mark-price-candles": RateLimit(10, 2),
        "open-interest-history": RateLimit(10, 2),
        "funding-rate-history": RateLimit(10, 2),
        "position-tiers": RateLimit(10, 2),
    }
    history: Mapping[Kind, HistoryLimit] = {
        "open_interest_history": HistoryLimit(
            "OKX answers for the last 1,440 intervals of open interest: 5 days of 5 minutes, 60 of "
            "hours. Ask for a longer interval, or collect it from now on.",
            bars=1440,
        ),
        "funding": HistoryLimit(
            "OKX answers for the funding rates of the last 3 months.", longest=timedelta(days=90)
        ),
    }
    unavailable: Mapping[Kind, str] = {}

    def __init__(
        self,
        stream_url: str = "wss://ws.okx.com:8443/ws/v5/public",
        rest_url: str = "https://www.okx.com",
    ) -> None:
        self.stream_url, self.rest_url = stream_url, rest_url

    def native(self, symbol: str) -> str | None:
        """Return ``"BTC-USDT-SWAP"``."""
        assets = split_symbol(symbol)
        return f"{assets[0]}-{assets[1]}{_SWAP}" if assets else None

    def symbol(self, native: str) -> str | None:
        """Return the symbol, None for dated and inverse contracts."""
        base, _, quote = native.removesuffix(_SWAP).partition("-")
        return join_symbol(base, quote) if native.endswith(_SWAP) else None

    def topics(self, symbols: Sequence[str]) -> list[str]:
        """Return the one topic for all swaps."""
        return [CHANNEL]

    def subscriptions(self, symbols: Sequence[str]) -> list[Frame]:
        """Return the subscription to all swaps."""
        argument = {"channel": CHANNEL, "instType": "SWAP"}
        return [fields.dump({"op": "subscribe", "args": [argument]})]

    def parse(self, text: Text, received: datetime, context: Context) -> Message:
        """Return what a message says."""
        if text in (_PONG, _PONG.encode()):
            return ControlAnswer("pong")
        with fields.reading(self.exchange, text) as message:
            if not isinstance(message, dict):
                raise FieldError("expected an object")
            if "event" in message:
                return _control(message)
            if fields.mapping(message, "arg").get("channel") != CHANNEL:
                return Ignored()
            rows = [
                (fields.text(market, "instId"), row)
                for market in fields.array(message, "data")
                for row in fields.array(market, "details")
            ]
        return fields.read_rows(
            self.exchange,
            text,
            rows,
            lambda row: self._liquidation(row[0], row[1], received, context),
        )

    def _liquidation(
        self, native: str, row: Any, received: datetime, context: Context
    ) -> Liquidation | None:
        symbol = self.symbol(native)
        if symbol is None or not context.wants(symbol):
            return None
        side = _side(row)
        size = fields.contract_size(native, context)
        quantity = fields.times_size(fields.member(row, "sz"), size, "sz")
        if quantity <= 0.0:
            raise FieldError("expected a number above 0 in 'sz'")
        price = fields.take(row, "bkPx", fields.positive)  # the position's equity is zero there
        return Liquidation(
            exchange=self.exchange,
            symbol=symbol,
            side=side,
            quantity=quantity,
            price=price,
            price_kind="bankruptcy",
            trigger_price=fields.trigger(price, side, context.maintenance_rate(symbol)),
            notional=fields.value(quantity, price),
            time=fields.take(row, "ts", fields.from_millis),
            received=received,
            key=fields.natural_key(
                self.exchange, [native, *(row.get(name) for name in ("ts", "side", "sz", "bkPx"))]
            ),
        )

    def candles(
        self, symbol: str, interval: timedelta, start: datetime, stop: datetime
    ) -> list[Request]:
        """Return requests for candles, 300 a page."""
        return self._bars("history-candles", _CANDLES, symbol, interval, start, stop)

    def mark_candles(
        self, symbol: str, interval: timedelta, start: datetime, stop: datetime
    ) -> list[Request]:
        """Return requests for candles of the mark price, 100 a page."""
        name = "history-mark-price-candles"
        return self._bars(name, _MARK_CANDLES, symbol, interval, start, stop)

    def _bars(
        self,
        name: str,
        rows: int,
        symbol: str,
        interval: timedelta,
        start: datetime,
        stop: datetime,
    ) -> list[Request]:
        bar = fields.bar_name(_BARS, interval, self.exchange)
        return [
            Request(
                f"/api/v5/market/{name}",
                {"instId": self._native(symbol), "bar": bar, **_between(first, last), "limit": n},
                limit=name,
            )
            for first, last, n in fields.pages(start, stop, interval, rows)
        ]

    def read_candles(self, text: Text, symbol: str, interval: timedelta) -> list[Candle]:
        """Return the closed candles in an answer, which has the newest first."""
        with fields.reading(self.exchange, text) as answer:
            return [
                self._candle(row, symbol, interval)
                for row in reversed(self._data(answer, text))
                if fields.items(row, "candle", least=9)[8] == "1"  # else it has not closed
            ]

    def _candle(self, row: Any, symbol: str, interval: timedelta) -> Candle:
        return Candle(
            exchange=self.exchange,
            symbol=symbol,
            interval_seconds=int(interval.total_seconds()),
            open_time=fields.from_millis(row[0], "ts"),
            open=fields.positive(row[1], "o"),
            high=fields.positive(row[2], "h"),
            low=fields.positive(row[3], "l"),
            close=fields.positive(row[4], "c"),
            volume=fields.amount(row[6], "volCcy"),  # base asset; "vol" counts contracts
            quote_volume=fields.amount(row[7], "volCcyQuote"),
        )

    def read_mark_candles(self, text: Text, symbol: str, interval: timedelta) -> list[MarkCandle]:
        """Return the candles of the mark price in an answer, closed ones only."""
        with fields.reading(self.exchange, text) as answer:
            return [
                fields.mark_candle(row, self.exchange, symbol, interval)
                for row in reversed(self._data(answer, text))
                if fields.items(row, "candle", least=6)[5] == "1"
            ]

    def open_interest_now(self, symbols: Sequence[str]) -> list[Request]:
        """Return one request for all swaps, or for one."""
        market = {"instId": self._native(symbols[0])} if len(symbols) == 1 else {}
        return [Request("/api/v5/public/open-interest", {"instType": "SWAP"} | market)]

    def read_open_interest_now(self, text: Text, received: datetime) -> list[OpenInterest]:
        """Return the open interest in an answer; OKX does not say so, but it counts one side."""
        with fields.reading(self.exchange, text) as answer:
            return [
                OpenInterest(
                    exchange=self.exchange,
                    symbol=symbol,
                    time=fields.take(row, "ts", fields.from_millis),
                    open_interest=fields.take(row, "oiCcy", fields.amount),  # "oi": contracts
                    notional=fields.optional(row, "oiUsd", fields.amount),
                )
                for row in self._data(answer, text)
                if (symbol := self.symbol(fields.text(row, "instId"))) is not None
            ]

    def open_interest_history(
        self, symbol: str, interval: timedelta, start: datetime, stop: datetime
    ) -> list[Request]:
        """Return requests for open interest, 100 a page."""
        bar = fields.bar_name(_INTEREST_BARS, interval, self.exchange)
        return [
            Request(
                "/api/v5/rubik/stat/contracts/open-interest-history",
                {
                    "instId": self._native(symbol),
                    "period": bar,
                    "begin": first - 1,
                    "end": last + 1,
                    "limit": n,
                },
                limit="open-interest-history",
            )
            for first, last, n in fields.pages(start, stop, interval, _INTERESTS)
        ]

    def read_open_interest_history(self, text: Text, symbol: str) -> list[OpenInterest]:
        """Return the open interest in an answer, which has the newest first."""
        with fields.reading(self.exchange, text) as answer:
            rows = [fields.items(row, "row", least=4) for row in self._data(answer, text)]
            return [
                OpenInterest(
                    exchange=self.exchange,
                    symbol=symbol,
                    time=fields.from_millis(row[0], "ts"),
                    open_interest=fields.amount(row[2], "oiCcy"),  # row[1] counts contracts
                    notional=fields.amount(row[3], "oiUsd"),
                )
                for row in reversed(rows)
            ]

    def funding(self, symbol: str, start: datetime, stop: datetime) -> list[Request]:
        """Return requests for funding rates; pages hold 100 of markets that pay hourly."""
        return [
            Request(
                "/api/v5/public/funding-rate-history",
                {"instId": self._native(symbol), **_between(first, last), "limit": _FUNDINGS},
                limit="funding-rate-history",
            )
            for first, last, _ in fields.pages(start, stop, timedelta(hours=1), _FUNDINGS)
        ]

    def read_funding(self, text: Text, symbol: str) -> list[FundingRate]:
        """Return the funding rates in an answer, which has the newest first."""
        with fields.reading(self.exchange, text) as answer:
            return [
                FundingRate(
                    exchange=self.exchange,
                    symbol=symbol,
                    time=fields.take(row, "fundingTime", fields.from_millis),
                    funding_rate=_funding_rate(row),
                )
                for row in reversed(self._data(answer, text))
            ]

    def tiers(self, symbols: Sequence[str]) -> list[Request]:
        """Return requests for leverage tiers, five markets in each."""
        families = [self._native(symbol).removesuffix(_SWAP) for symbol in symbols]
        market = {"instType": "SWAP", "tdMode": "isolated"}
        return [
            Request(
                "/api/v5/public/position-tiers",
                market | {"instFamily": ",".join(families[first : first + _FAMILIES])},
                limit="position-tiers",
            )
            for first in range(0, len(families), _FAMILIES)
        ]

    def read_tiers(self, text: Text, received: datetime, context: Context) -> list[Tiers]:
        """Return the leverage tiers in an answer, in base asset."""
        with fields.reading(self.exchange, text) as answer:
            rows = sorted(self._data(answer, text), key=_family)
            return [
                Tiers(
                    exchange=self.exchange,
                    symbol=symbol,
                    valid_from=received,
                    rows=_tier_rows(list(market), family + _SWAP, context),
                    unit="base",
                    closing_fee=TAKER_FEE,
                )
                for family, market in groupby(rows, key=_family)
                if (symbol := self.symbol(family + _SWAP)) is not None
            ]

    def instruments(self) -> list[Request]:
        """Return the request for the list of swaps."""
        return [Request("/api/v5/public/instruments", {"instType": "SWAP"})]

    def read_instruments(self, text: Text) -> list[Instrument]:
        """Return the open linear swaps in an answer."""
        with fields.reading(self.exchange, text) as answer:
            return [
                Instrument(
                    exchange=self.exchange,
                    symbol=symbol,
                    native=native,
                    contract_size=fields.take(row, "ctVal", fields.exact)
                    * fields.take(row, "ctMult", fields.exact),
                    max_leverage=fields.optional(row, "lever", fields.positive),
                )
                for row in self._data(answer, text)
                # The value of inverse contracts is in USD, which no price is to multiply.
                if fields.member(row, "ctType") == "linear"
                and fields.member(row, "state") == "live"
                and (symbol := self.symbol(native := fields.text(row, "instId"))) is not None
            ]

    def _native(self, symbol: str) -> str:
        return fields.known(self.native(symbol), symbol, self.exchange)

    def _data(self, answer: Any, text: Text) -> list[Any]:
        code = str(fields.member(answer, "code"))
        if code != "0":
            reason = str(answer.get("msg"))
            raise Refused(self.exchange, code, reason, text, busy=code in _BUSY)
        return fields.array(answer, "data")


def _control(message: Mapping[str, Any]) -> Message:
    if message["event"] == "subscribe":
        return ControlAnswer("acknowledgement")
    if message["event"] == "error":
        return Rejection(str(message.get("msg")))
    return Ignored()


def _side(row: Any) -> Side:
    if fields.member(row, "posSide") == "net":
        return fields.choice(row, "side", SIDE_OF_ORDER)
    return fields.choice(row, "posSide", POSITION_SIDE)


def _between(first: int, last: int) -> dict[str, str | int]:
    # "after" asks for what is earlier, "before" for what is later, both without their own time.
    return {"before": first - 1, "after": last + 1}


def _funding_rate(row: Any) -> float:
    realized = fields.optional(row, "realizedRate", fields.real)
    return fields.take(row, "fundingRate", fields.real) if realized is None else realized


def _family(row: Any) -> str:
    return fields.text(row, "instFamily")


def _tier_rows(rows: list[Any], native: str, context: Context) -> tuple[TierRow, ...]:
    size = fields.contract_size(native, context)
    caps = [fields.times_size(fields.member(row, "maxSz"), size, "maxSz") for row in rows]
    ordered = sorted(zip(caps, rows, strict=True), key=lambda one: one[0])
    floors = [0.0, *sorted(caps)[:-1]]  # "minSz" is one step above the cap below
    return tuple(
        TierRow(
            floor=floor,
            cap=cap,
            max_leverage=fields.take(row, "maxLever", fields.positive),
            # Of the whole position, so there is no deduction.
            maintenance_rate=fields.take(row, "mmr", fields.positive),
        )
        for floor, (cap, row) in zip(floors, ordered, strict=True)
    )
