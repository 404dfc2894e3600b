"""Hyperliquid perpetual futures.

https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api

Nobody can subscribe to all liquidations here, but to those of single users; everybody's positions
can be asked for, with their real liquidation prices; and the nodes' archive has every fill.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
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
    Liquidations,
    Message,
    NotOffered,
    Ping,
    RateLimit,
    Rejection,
    Request,
    Text,
)
from ingest.adapters.fields import FieldError
from ingest.adapters.hyperliquid_fills import read_fills
from ingest.records import (
    LONG,
    SHORT,
    Candle,
    FundingRate,
    Instrument,
    MarkCandle,
    ObservedPosition,
    OpenInterest,
    TierRow,
    Tiers,
)
from ingest.symbols import join_symbol, split_symbol

_BARS = {
    60: "1m",
    180: "3m",
    300: "5m",
    900: "15m",
    1800: "30m",
    3600: "1h",
    7200: "2h",
    14_400: "4h",
    28_800: "8h",
    43_200: "12h",
    86_400: "1d",
    259_200: "3d",
    604_800: "1w",
}
_CANDLES, _FUNDINGS = 1500, 500  # rows in a page
_CANDLES_PER_WEIGHT, _FUNDINGS_PER_WEIGHT = 60, 20
_INFO_WEIGHT, _POSITIONS_WEIGHT = 20, 2
_THOUSANDS, _KILO = "1000", "k"
_FILLS = "userFills"
_HOURLY_SINCE = fields.from_millis(1_686_182_400_000, "2023-06-08")
MOST_USERS = 10
"""Whose fills are sent to one address of the internet, over all of its connections."""

_NO_STREAM = (
    "Hyperliquid has no stream of all liquidations. Name the users to follow in "
    "LIQHEAT_HYPERLIQUID_USERS, or load files of its nodes' archive (node_fills_by_block on S3, "
    "paid by who reads it) with liqheat ingest."
)
_NO_MARK = (
    "Hyperliquid has no candles of the mark price; the map takes those of trades in their place."
)
_NO_HISTORY = (
    "Hyperliquid answers for open interest at this moment only: collect it from now on with "
    "liqheat collect."
)


class Hyperliquid:
    """Candles, funding, open interest; positions and liquidations of users that are named.

    Attributes
    ----------
    users : tuple of str
        Addresses of those whose positions are asked for, and of the first ``MOST_USERS`` of whom
        the stream sends the fills. Without any there is no stream.
    users_note : str
        What is to be said of them before anything is asked for, empty if nothing is.
    """

    exchange = "hyperliquid"
    ping: Ping | None = Ping(every=30, frame=fields.dump({"method": "ping"}))
    liveness: Ping | None = None
    silence = 90.0
    data_silence: float | None = None
    max_age: float | None = None
    only_closed = False
    rate_limits: Mapping[str, RateLimit] = {"rest": RateLimit(1200, 60)}
    history: Mapping[Kind, HistoryLimit] = {
        "candles": HistoryLimit(
            "Hyperliquid answers for the last 5,000 candles of an interval: 3 days of minutes, 17 "
            "of 5 minutes, 208 of hours. Ask for a longer interval, or collect from now on.",
            bars=5000,
        )
    }

    def __init__(
        self,
        stream_url: str = "wss://api.hyperliquid.xyz/ws",
        rest_url: str = "https://api.hyperliquid.xyz",
        users: Sequence[str] = (),
    ) -> None:
        self.stream_url, self.rest_url = stream_url, rest_url
        self.users = tuple(dict.fromkeys(user.lower() for user in users))
        self.users_note = _too_many(self.users) if len(self.users) > MOST_USERS else ""
        self.unavailable: Mapping[Kind, str] = {
            **({} if self.users else {"liquidations": _NO_STREAM}),
            "mark_candles": _NO_MARK,
            "open_interest_history": _NO_HISTORY,
        }

    def native(self, symbol: str) -> str | None:
        """Return ``"BTC"``, and ``"kPEPE"`` for ``"1000PEPEUSDT"``; margin is in USDC anyway."""
        assets = split_symbol(symbol)
        if assets is None or assets[1] != "USDT":
            return None
        base = assets[0]
        kilo = base.startswith(_THOUSANDS) and base != _THOUSANDS
        return _KILO + base.removeprefix(_THOUSANDS) if kilo else base

    def symbol(self, native: str) -> str | None:
        """Return the symbol, None for spot pairs and for other builders' markets."""
        base = native
        if native.startswith(_KILO) and native != _KILO:
            base = _THOUSANDS + native.removeprefix(_KILO)
        symbol = join_symbol(base, "USDT")
        return symbol if symbol is not None and self.native(symbol) == native else None

    def topics(self, symbols: Sequence[str]) -> list[str]:
        """Return one topic for each user: it has the fills of all markets."""
        return [f"{_FILLS}:{user}" for user in self._followed()]

    def subscriptions(self, symbols: Sequence[str]) -> list[Frame]:
        """Return one subscription for each user; without users there is no stream."""
        return [
            fields.dump(
                {"method": "subscribe", "subscription": {"type": _FILLS, "user": user}},
            )
            for user in self._followed()
        ]

    def _followed(self) -> tuple[str, ...]:
        if not self.users:
            raise NotOffered(_NO_STREAM)
        return self.users[:MOST_USERS]

    def parse(self, text: Text, received: datetime, context: Context) -> Message:
        """Return what a message says; one user's fills may tell of liquidations."""
        with fields.reading(self.exchange, text) as message:
            channel = fields.member(message, "channel")
            if channel == "pong":
                return ControlAnswer("pong")
            if channel == "subscriptionResponse":
                return ControlAnswer("acknowledgement")
            if channel == "error":
                return Rejection(str(message.get("data")))
            if channel not in ("user", _FILLS):
                return Ignored()
            data = fields.mapping(message, "data")
            if "fills" not in data:  # the channel also tells of funding and more
                return Ignored()
            fills = [(data.get("user"), fill) for fill in fields.array(data, "fills")]
        found = read_fills(text, fills, self.symbol, received, context)
        # The first message after a subscription has the user's latest fills, however old.
        return replace(found, snapshot=data.get("isSnapshot") is True)

    def read_node_fills(self, line: Text, received: datetime, context: Context) -> Liquidations:
        """Return the liquidations in one line of the nodes' archive.

        A line is a block, ``{"events": [[user, fill], …]}``, or one such pair. Each trade is there
        once for each of its two users, and counts once.
        """
        with fields.reading(self.exchange, line) as block:
            events = fields.array(block, "events") if isinstance(block, dict) else [block]
            pairs = [fields.items(event, "event", least=2) for event in events]
        fills = [(pair[0], pair[1]) for pair in pairs]
        found = read_fills(line, fills, self.symbol, received, context)
        once = {liquidation.key: liquidation for liquidation in found.liquidations}
        return Liquidations(tuple(once.values()), len(fills) - len(once))

    def candles(
        self, symbol: str, interval: timedelta, start: datetime, stop: datetime
    ) -> list[Request]:
        """Return requests for candles, 1500 a page."""
        bar = fields.bar_name(_BARS, interval, self.exchange)
        coin = self._native(symbol)
        return [
            _info(
                {
                    "type": "candleSnapshot",
                    "req": {"coin": coin, "interval": bar, "startTime": first, "endTime": last},
                },
                _INFO_WEIGHT + rows // _CANDLES_PER_WEIGHT,
            )
            for first, last, rows in fields.pages(start, stop, interval, _CANDLES)
        ]

    def read_candles(self, text: Text, symbol: str, interval: timedelta) -> list[Candle]:
        """Return the candles in an answer. Daily ones before 2023-02-26 have no volume."""
        with fields.reading(self.exchange, text) as answer:
            return [
                Candle(
                    exchange=self.exchange,
                    symbol=symbol,
                    interval_seconds=int(interval.total_seconds()),
                    open_time=fields.take(row, "t", fields.from_millis),  # "T" is its end
                    open=fields.take(row, "o", fields.positive),
                    high=fields.take(row, "h", fields.positive),
                    low=fields.take(row, "l", fields.positive),
                    close=fields.take(row, "c", fields.positive),
                    volume=fields.take(row, "v", fields.amount),
                )
                for row in fields.items(answer, "answer")
            ]

    def mark_candles(
        self, symbol: str, interval: timedelta, start: datetime, stop: datetime
    ) -> list[Request]:
        """Refuse: there are none."""
        raise NotOffered(_NO_MARK)

    def read_mark_candles(self, text: Text, symbol: str, interval: timedelta) -> list[MarkCandle]:
        """Refuse: there are none."""
        raise NotOffered(_NO_MARK)

    def open_interest_now(self, symbols: Sequence[str]) -> list[Request]:
        """Return the one request for all markets."""
        return [_info({"type": "metaAndAssetCtxs"}, _INFO_WEIGHT)]

    def read_open_interest_now(self, text: Text, received: datetime) -> list[OpenInterest]:
        """Return the open interest in an answer, which has no time: that it came.

        Undocumented, but taken as one side: it is what the figures of others compare with.
        """
        with fields.reading(self.exchange, text) as answer:
            meta, states = fields.items(answer, "answer", least=2)[:2]
            markets = fields.array(meta, "universe")
            states = fields.items(states, "asset contexts", least=len(markets))
            return [
                self._open_interest(symbol, state, received)
                for market, state in zip(markets, states, strict=False)
                if _is_open(market)
                and (symbol := self.symbol(fields.text(market, "name"))) is not None
            ]

    def _open_interest(self, symbol: str, state: Any, received: datetime) -> OpenInterest:
        open_interest = fields.take(state, "openInterest", fields.amount)
        mark_price = fields.optional(state, "markPx", fields.positive)
        return OpenInterest(
            exchange=self.exchange,
            symbol=symbol,
            time=received,
            open_interest=open_interest,
            notional=None if mark_price is None else fields.value(open_interest, mark_price),
        )

    def open_interest_history(
        self, symbol: str, interval: timedelta, start: datetime, stop: datetime
    ) -> list[Request]:
        """Refuse: there is none."""
        raise NotOffered(_NO_HISTORY)

    def read_open_interest_history(self, text: Text, symbol: str) -> list[OpenInterest]:
        """Refuse: there is none."""
        raise NotOffered(_NO_HISTORY)

    def funding(self, symbol: str, start: datetime, stop: datetime) -> list[Request]:
        """Return requests for funding rates, 500 hours a page."""
        coin = self._native(symbol)
        return [
            _info(
                {"type": "fundingHistory", "coin": coin, "startTime": first, "endTime": last},
                _INFO_WEIGHT + rows // _FUNDINGS_PER_WEIGHT,
            )
            for first, last, rows in fields.pages(start, stop, timedelta(hours=1), _FUNDINGS)
        ]

    def read_funding(self, text: Text, symbol: str) -> list[FundingRate]:
        """Return the funding rates in an answer: of 8 hours until 2023-06-08, then of one."""
        with fields.reading(self.exchange, text) as answer:
            rows = [
                (fields.take(row, "time", fields.from_millis), row)
                for row in fields.items(answer, "answer")
            ]
            return [
                FundingRate(
                    exchange=self.exchange,
                    symbol=symbol,
                    time=time,
                    funding_rate=fields.take(row, "fundingRate", fields.real),
                    interval_hours=1.0 if time >= _HOURLY_SINCE else 8.0,
                )
                for time, row in rows
            ]

    def tiers(self, symbols: Sequence[str]) -> list[Request]:
        """Return the one request for all markets."""
        return self.instruments()

    def read_tiers(self, text: Text, received: datetime, context: Context) -> list[Tiers]:
        """Return the leverage tiers in an answer."""
        with fields.reading(self.exchange, text) as meta:
            tables = _margin_tables(meta)
            return [
                Tiers(
                    exchange=self.exchange,
                    symbol=symbol,
                    valid_from=received,
                    rows=_tier_rows(_bounds(market, tables)),
                )
                for market in fields.array(meta, "universe")
                if _is_open(market)
                and (symbol := self.symbol(fields.text(market, "name"))) is not None
            ]

    def instruments(self) -> list[Request]:
        """Return the request for the list of markets."""
        return [_info({"type": "meta"}, _INFO_WEIGHT)]

    def read_instruments(self, text: Text) -> list[Instrument]:
        """Return the open markets in an answer."""
        with fields.reading(self.exchange, text) as meta:
            return [
                Instrument(
                    exchange=self.exchange,
                    symbol=symbol,
                    native=native,
                    contract_size=Decimal(1),  # quantities are in base asset
                    max_leverage=fields.take(market, "maxLeverage", fields.positive),
                )
                for market in fields.array(meta, "universe")
                if _is_open(market)
                and (symbol := self.symbol(native := fields.text(market, "name"))) is not None
            ]

    def positions(self, users: Sequence[str]) -> list[Request]:
        """Return one request for each user's open positions, 600 of which may go a minute."""
        return [_info({"type": "clearinghouseState", "user": u}, _POSITIONS_WEIGHT) for u in users]

    def read_positions(self, text: Text, user: str) -> list[ObservedPosition]:
        """Return a user's open positions with the exchange's own liquidation prices."""
        with fields.reading(self.exchange, text) as state:
            time = fields.take(state, "time", fields.from_millis)
            positions = [
                fields.mapping(row, "position") for row in fields.array(state, "assetPositions")
            ]
            return [
                self._position(symbol, position, user, time)
                for position in positions
                if (symbol := self.symbol(fields.text(position, "coin"))) is not None
                and fields.take(position, "szi", fields.real) != 0.0
            ]

    def _position(self, symbol: str, position: Any, user: str, time: datetime) -> ObservedPosition:
        size = fields.take(position, "szi", fields.real)  # its sign is the side
        leverage = fields.mapping(position, "leverage")
        return ObservedPosition(
            exchange=self.exchange,
            symbol=symbol,
            user=user,
            side=LONG if size > 0.0 else SHORT,
            quantity=abs(size),
            entry_price=fields.take(position, "entryPx", fields.positive),
            leverage=fields.take(leverage, "value", fields.positive),
            isolated=fields.text(leverage, "type") == "isolated",
            liquidation_price=fields.optional(position, "liquidationPx", fields.positive),
            margin=fields.take(position, "marginUsed", fields.amount),
            time=time,
        )

    def _native(self, symbol: str) -> str:
        return fields.known(self.native(symbol), symbol, self.exchange)


def _too_many(users: Sequence[str]) -> str:
    return (
        f"{len(users)} users are named, but Hyperliquid sends the fills of {MOST_USERS} to one "
        f"address: liquidations come of the first {MOST_USERS}, and of the others only positions."
    )


def _info(body: Mapping[str, Any], weight: int) -> Request:
    return Request("/info", method="POST", json=body, weight=weight)


def _is_open(market: Any) -> bool:
    return isinstance(market, dict) and not market.get("isDelisted")


def _margin_tables(meta: Any) -> dict[Any, list[Any]]:
    pairs = [
        fields.items(pair, "margin table", least=2) for pair in fields.array(meta, "marginTables")
    ]
    return {
        pair[0]: fields.array(pair[1], "marginTiers") for pair in pairs if isinstance(pair[0], int)
    }


def _bounds(market: Any, tables: Mapping[Any, list[Any]]) -> list[tuple[float, float]]:
    """Return lower bounds [USD] and highest leverages of a market's tiers, lowest first."""
    identity = market.get("marginTableId")
    if not isinstance(identity, int) or identity not in tables:
        return [(0.0, fields.take(market, "maxLeverage", fields.positive))]
    return sorted(
        (
            fields.take(row, "lowerBound", fields.amount),
            fields.take(row, "maxLeverage", fields.positive),
        )
        for row in tables[identity]
    )


def _tier_rows(bounds: list[tuple[float, float]]) -> tuple[TierRow, ...]:
    if not bounds or bounds[0][0] != 0.0:
        raise FieldError("expected margin tiers that start at 0 in 'marginTiers'")
    rows: list[TierRow] = []
    for i, (floor, leverage) in enumerate(bounds):
        # Maintenance is half the margin that the tier's highest leverage opens with; the
        # deduction keeps it from jumping between tiers.
        rate = 0.5 / leverage
        below = rows[-1] if rows else None
        rows.append(
            TierRow(
                floor=floor,
                cap=bounds[i + 1][0] if i + 1 < len(bounds) else float("inf"),
                max_leverage=leverage,
                maintenance_rate=rate,
                deduction=below.deduction + floor * (rate - below.maintenance_rate)
                if below
                else 0.0,
            )
        )
    return tuple(rows)
