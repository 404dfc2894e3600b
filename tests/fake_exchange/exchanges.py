"""The protocols of Binance, Bybit, OKX and Hyperliquid, as documented and captured."""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import groupby

from websockets.asyncio.server import ServerConnection

from tests.fake_exchange.clock import ManualClock
from tests.fake_exchange.server import FakeExchange, Happened, dumps

CONTRACT_SIZES = {
    "BTC-USDT-SWAP": Decimal("0.01"),
    "ETH-USDT-SWAP": Decimal("0.1"),
    "SOL-USDT-SWAP": Decimal("1"),
}

USERS = tuple(f"0x{digit * 40}" for digit in "ab")
"""Whose positions Hyperliquid liquidates."""

_LATEST = 20
_FILLS = "userFills"


class FakeBinance(FakeExchange):
    """One message for each order, a second late; closes connections after 24 hours.

    At an address without ``/market`` it is the retired one: all is acknowledged, nothing comes.
    """

    name = "binance"
    path = "/market/ws"
    every = "!forceOrder@arr"

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.script.max_age = 24 * 3600.0

    def wants(self, connection: ServerConnection, symbol: str) -> bool:
        topics = self.topics.get(connection, set())
        retired = "/market" not in self.path
        return not retired and bool(topics & {self.every, f"{symbol.lower()}@forceOrder"})

    def messages(self, events: list[Happened]) -> list[str]:
        return [self._message(event) for event in events]

    def answers(self, connection: ServerConnection, text: str) -> Iterable[str]:
        asked = json.loads(text)
        topics = self.topics[connection]
        if asked["method"] == "LIST_SUBSCRIPTIONS":
            if self.script.answer:
                listed = sorted(topics) if self.script.listing else []
                yield dumps({"result": listed, "id": asked["id"]})
        elif self.script.rejected:
            error = {"code": 2, "msg": "Invalid request: invalid stream"}
            yield dumps({"error": error, "id": asked["id"]})
        else:
            topics.update(asked["params"])
            if self.script.acknowledge:
                yield dumps({"result": None, "id": asked["id"]})

    def _message(self, event: Happened) -> str:
        order = {
            "s": event.symbol,
            "S": "SELL" if event.long else "BUY",
            "o": "LIMIT",
            "f": "IOC",
            "q": str(event.quantity),
            "p": str(event.price),
            "ap": str(event.price),
            "X": "FILLED",
            "l": str(event.quantity),
            "z": str(event.quantity),
            "T": event.millis,
            "ps": event.symbol,
            "st": 1,
        }
        data = {"e": "forceOrder", "E": event.millis + 1005, "o": order}
        combined = self.path.endswith("/stream")
        return dumps({"stream": self.every, "data": data} if combined else data)


class FakeBybit(FakeExchange):
    """All liquidations of a symbol in one message; cuts clients that are quiet for 10 minutes."""

    name = "bybit"
    path = "/v5/public/linear"
    idle_limit = 600.0

    def wants(self, connection: ServerConnection, symbol: str) -> bool:
        return f"allLiquidation.{symbol}" in self.topics.get(connection, ())

    def messages(self, events: list[Happened]) -> list[str]:
        by_symbol = groupby(sorted(events, key=_symbol), _symbol)
        return [self._message(symbol, list(rows)) for symbol, rows in by_symbol]

    def answers(self, connection: ServerConnection, text: str) -> Iterable[str]:
        asked = json.loads(text)
        if asked["op"] == "ping":
            if self.script.answer:
                yield dumps(_bybit(success=True, ret_msg="pong", op="ping"))
            return
        refused = [topic for topic in asked["args"] if self._refuses(topic)]
        if refused:
            error = f"error:handler not found,topic:{refused[0]}"
            yield dumps(_bybit(success=False, ret_msg=error, op="subscribe", asked=asked))
            return
        self.topics[connection].update(asked["args"])
        if self.script.acknowledge:
            yield dumps(_bybit(success=True, ret_msg="", op="subscribe", asked=asked))

    def _refuses(self, topic: str) -> bool:
        return "*" in self.script.rejected or topic.split(".")[1] in self.script.rejected

    def _message(self, symbol: str, rows: list[Happened]) -> str:
        data = [
            {
                "T": row.millis,
                "s": row.symbol,
                "S": "Buy" if row.long else "Sell",  # the position's side
                "v": str(row.quantity),
                "p": str(row.price),
            }
            for row in rows
        ]
        topic, ts = f"allLiquidation.{symbol}", rows[-1].millis + 250
        return dumps({"topic": topic, "type": "snapshot", "ts": ts, "data": data})


class FakeOkx(FakeExchange):
    """All swaps in one topic, sizes in contracts; cuts clients that are quiet for 30 seconds."""

    name = "okx"
    path = "/ws/v5/public"
    idle_limit = 30.0

    def wants(self, connection: ServerConnection, symbol: str) -> bool:
        return "liquidation-orders" in self.topics.get(connection, ())

    def messages(self, events: list[Happened]) -> list[str]:
        by_symbol = groupby(sorted(events, key=_symbol), _symbol)
        data = [_okx_instrument(symbol, list(rows)) for symbol, rows in by_symbol]
        arg = {"channel": "liquidation-orders", "instType": "SWAP"}
        return [dumps({"arg": arg, "data": data})]

    def answers(self, connection: ServerConnection, text: str) -> Iterable[str]:
        if text == "ping":
            if self.script.answer:
                yield "pong"
            return
        for arg in json.loads(text)["args"]:
            if self.script.rejected:
                error = f"Wrong URL or channel:{arg['channel']},instType:SWAP doesn't exist."
                yield dumps({"event": "error", "code": "60018", "msg": error, "connId": "a4d3"})
                continue
            self.topics[connection].add(arg["channel"])
            if self.script.acknowledge:
                yield dumps({"event": "subscribe", "arg": arg, "connId": "a4d3ae55"})


class FakeHyperliquid(FakeExchange):
    """Fills of single users, the latest of each again with every subscription.

    A position is one of the two ``USERS``; its fill goes to who has subscribed to its user. Cuts
    clients that are quiet for a minute.
    """

    name = "hyperliquid"
    path = "/ws"
    idle_limit = 60.0

    def wants(self, connection: ServerConnection, symbol: str) -> bool:
        return _user(symbol) in self.topics.get(connection, ())

    def messages(self, events: list[Happened]) -> list[str]:
        by_user = groupby(sorted(events, key=_user_of), _user_of)
        return [_hyperliquid_fills(user, list(fills)) for user, fills in by_user]

    def answers(self, connection: ServerConnection, text: str) -> Iterable[str]:
        asked = json.loads(text)
        if asked["method"] == "ping":
            if self.script.answer:
                yield dumps({"channel": "pong"})
            return
        subscription = asked["subscription"]
        user = subscription.get("user", "")
        if subscription["type"] != _FILLS or {"*", user} & self.script.rejected:
            yield dumps({"channel": "error", "data": f"Invalid subscription {text}"})
            return
        self.topics[connection].add(user)
        if self.script.acknowledge:
            yield dumps({"channel": "subscriptionResponse", "data": asked})
            yield _hyperliquid_fills(user, self._latest(user), snapshot=True)

    def _latest(self, user: str) -> list[Happened]:
        return [event for event in self._known if _user_of(event) == user][-_LATEST:]


FAKES: Mapping[str, type[FakeExchange]] = {
    fake.name: fake for fake in (FakeBinance, FakeBybit, FakeOkx, FakeHyperliquid)
}


def _symbol(event: Happened) -> str:
    return event.symbol


def _user(symbol: str) -> str:
    return USERS[symbol.startswith("B")]


def _user_of(event: Happened) -> str:
    return _user(event.symbol)


def _bybit(success: bool, ret_msg: str, op: str, asked: dict[str, str] | None = None) -> object:
    return {
        "success": success,
        "ret_msg": ret_msg,
        "conn_id": "465772b1-7630-4fdc-a492-e003e6f0f260",
        "req_id": (asked or {}).get("req_id", ""),
        "op": op,
    }


def _hyperliquid_fills(user: str, events: list[Happened], snapshot: bool = False) -> str:
    fills = [_hyperliquid_fill(user, event) for event in events]
    told = {"isSnapshot": True} if snapshot else {}
    return dumps({"channel": _FILLS, "data": told | {"user": user, "fills": fills}})


def _hyperliquid_fill(user: str, event: Happened) -> object:
    return {
        "coin": event.symbol.removesuffix("USDT"),
        "px": str(event.price),
        "sz": str(event.quantity),
        "side": "A" if event.long else "B",  # who is liquidated sells a long
        "time": event.millis,
        "startPosition": str(event.quantity if event.long else -event.quantity),
        "dir": "Close Long" if event.long else "Close Short",
        "closedPnl": "0.0",
        "hash": "0x" + "0" * 64,
        "oid": event.millis,
        "crossed": True,
        "fee": "0.0",
        "tid": event.millis * 2**10 + int(event.quantity),
        "liquidation": {"liquidatedUser": user, "markPx": str(event.price), "method": "market"},
        "feeToken": "USDC",
        "twapId": None,
    }


def _okx_instrument(symbol: str, rows: list[Happened]) -> object:
    family = f"{symbol.removesuffix('USDT')}-USDT"
    details = [
        {
            "bkLoss": "0",
            "bkPx": str(row.price),
            "ccy": "",
            "posSide": "long" if row.long else "short",
            "side": "sell" if row.long else "buy",
            "sz": str(row.quantity / CONTRACT_SIZES[f"{family}-SWAP"]),
            "ts": str(row.millis),
        }
        for row in rows
    ]
    return {
        "details": details,
        "instFamily": family,
        "instId": f"{family}-SWAP",
        "instType": "SWAP",
        "uly": family,
    }
