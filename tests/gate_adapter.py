"""A fifth exchange, written from docs/adding-an-exchange.md alone.

https://www.gate.com/docs/developers/futures/ws/en/
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from time import time
from typing import Any

from ingest.adapters import fields
from ingest.adapters.adapter import (
    Context,
    ControlAnswer,
    Frame,
    Ignored,
    Kind,
    Message,
    Ping,
    RateLimit,
    Rejection,
    Request,
    Text,
)
from ingest.adapters.stream_only import StreamOnly
from ingest.records import LONG, SHORT, Instrument, Liquidation, Side
from ingest.symbols import join_symbol, split_symbol

CHANNEL = "futures.public_liquidates"


class Gate(StreamOnly):
    """All liquidations, in batches of a second or of 20 rows."""

    exchange = "gate"
    silence = 60.0
    rate_limits: Mapping[str, RateLimit] = {"rest": RateLimit(200, 10)}
    unavailable: Mapping[Kind, str] = {
        kind: sentence for kind, sentence in StreamOnly.unavailable.items() if kind != "instruments"
    }

    def __init__(
        self,
        stream_url: str = "wss://fx-ws.gateio.ws/v4/ws/usdt",
        rest_url: str = "https://api.gateio.ws/api/v4",
        clock: Callable[[], float] = time,
    ) -> None:
        self.stream_url, self.rest_url, self._clock = stream_url, rest_url, clock

    @property
    def ping(self) -> Ping | None:
        return Ping(every=20, frame=self._frame("futures.ping"))

    def native(self, symbol: str) -> str | None:
        assets = split_symbol(symbol)
        return "_".join(assets) if assets and assets[1] == "USDT" else None

    def symbol(self, native: str) -> str | None:
        base, _, quote = native.partition("_")
        return join_symbol(base, quote) if quote == "USDT" else None

    def topics(self, symbols: Sequence[str]) -> list[str]:
        return [CHANNEL]

    def subscriptions(self, symbols: Sequence[str]) -> list[Frame]:
        return [self._frame(CHANNEL, event="subscribe", payload=["!all"])]

    def parse(self, text: Text, received: datetime, context: Context) -> Message:
        with fields.reading(self.exchange, text) as message:
            channel = fields.text(message, "channel")
            if channel == "futures.pong":
                return ControlAnswer("pong")
            if message.get("error"):
                return Rejection(str(fields.mapping(message, "error").get("message")), channel)
            if channel == CHANNEL and message.get("event") == "subscribe":
                return ControlAnswer("acknowledgement")
            if channel != CHANNEL or message.get("event") != "update":
                return Ignored()
            rows = fields.array(message, "result")
        return fields.read_rows(
            self.exchange, text, rows, lambda row: self._liquidation(row, received, context)
        )

    def _liquidation(self, row: Any, received: datetime, context: Context) -> Liquidation | None:
        native = fields.text(row, "contract")
        symbol = self.symbol(native)
        if symbol is None or not context.wants(symbol):
            return None
        # Contracts, with the sign of the position.
        size = fields.contract_size(native, context)
        signed = fields.times_size(fields.member(row, "size"), size, "size")
        if signed == 0.0:
            raise fields.FieldError("expected a number other than 0 in 'size'")
        side: Side = LONG if signed > 0.0 else SHORT
        price = fields.take(row, "price", fields.positive)  # of the order, beyond its fills
        return Liquidation(
            exchange=self.exchange,
            symbol=symbol,
            side=side,
            quantity=abs(signed),
            price=price,
            price_kind="bankruptcy",
            trigger_price=fields.trigger(price, side, context.maintenance_rate(symbol)),
            notional=fields.value(abs(signed), price),
            # Milliseconds in a row; the message's own "time" is in seconds.
            time=fields.take(row, "time", fields.from_millis),
            received=received,
            key=fields.natural_key(
                self.exchange, [row[name] for name in ("contract", "size", "price", "time")]
            ),
        )

    def instruments(self) -> list[Request]:
        return [Request("/futures/usdt/contracts")]

    def read_instruments(self, text: Text) -> list[Instrument]:
        with fields.reading(self.exchange, text) as answer:
            return [
                Instrument(
                    exchange=self.exchange,
                    symbol=symbol,
                    native=native,
                    contract_size=fields.take(row, "quanto_multiplier", fields.exact),
                )
                for row in fields.items(answer, "answer")
                if fields.member(row, "in_delisting") is False
                and (symbol := self.symbol(native := fields.text(row, "name"))) is not None
            ]

    def _frame(self, channel: str, **more: Any) -> Frame:
        return fields.dump({"time": int(self._clock()), "channel": channel} | more)
