"""Exchanges' REST servers on loopback, each speaking as its own does, that fail on command.

All have one market, whose numbers can be worked by hand: with k the number of the interval since
1970, modulo 100, a candle opens at 1000 + k, is 2 higher and 1 lower at its extremes, closes at
1001 + k and has a volume of 10 + k; the mark price is 5 above; open interest is 500 + k of the
five minutes, one side counted; funding every 8 hours is 0.0001 × (1 + k of the 8 hours).
Hyperliquid's users have the positions that the test gives them.
"""

import json
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl, urlsplit

from tests.fake_archive import Server, reply, silent, status

__all__ = ["EXCHANGES", "FakeRest", "gives", "serve", "serving", "silent", "status"]

NOW = datetime(2026, 3, 10, 12, 2, 30, tzinfo=UTC)
CONTRACT = 0.01  # BTC in one of OKX
UNITS = {"m": 60, "h": 3600, "d": 86_400}
FUNDING = 8 * 3600 * 1000


def millis(time):
    return round(time.timestamp() * 1000)


def number(time, step):
    return time // step % 100


def length(bar):
    """Return milliseconds of an interval as exchanges write it: 5m, 1H, 1Dutc, 5min, 60."""
    bar = bar.lower().removesuffix("utc").replace("min", "m")
    return int(bar) * 60_000 if bar.isdigit() else int(bar[:-1]) * UNITS[bar[-1]] * 1000


def prices(time, step, above=0):
    """Return open, high, low and close as texts."""
    k = number(time, step)
    return [f"{price + above}" for price in (1000 + k, 1002 + k, 999 + k, 1001 + k)]


def grid(first, last, step):
    """Return the multiples of a step from first to last, both included."""
    return list(range(-(-first // step) * step, last + 1, step))


@dataclass
class Asked:
    """A request as it came in: ``name`` is the last part of the path, or a body's type."""

    name: str
    params: dict


@dataclass
class FakeRest:
    """One exchange, what to do wrong, and what was asked for.

    ``script`` holds by name what answers the next requests for it, one after the other;
    ``positions`` by Hyperliquid's user what is open: see ``position``.
    """

    exchange: str
    now: datetime = NOW
    since: datetime = NOW - timedelta(days=400)
    script: dict = field(default_factory=dict)
    positions: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, name, *behaviours):
        """Let these answer the next requests of this name."""
        self.script.setdefault(name, []).extend(behaviours)

    def names(self):
        """Return the names of what was asked for, in that order."""
        return [asked.name for asked in self.asked]

    def take(self, asked):
        with self.lock:
            self.asked.append(asked)
            behaviours = self.script.get(asked.name)
            return behaviours.pop(0) if behaviours else None

    def bars(self, first, last, step):
        """Return the opens there are, of the bar that has not closed too."""
        return grid(max(first, millis(self.since)), min(last, millis(self.now)), step)

    def body(self, asked):
        """Return status and what the exchange answers."""
        return SPEAKS[self.exchange](self, asked.name, asked.params)


def binance(rest, name, params):
    if name == "exchangeInfo":
        row = {"symbol": "BTCUSDT", "contractType": "PERPETUAL", "status": "TRADING"}
        return 200, {"symbols": [row]}
    if name == "openInterest":
        now = millis(rest.now)
        return 200, {"symbol": "BTCUSDT", "openInterest": f"{open_interest(now)}", "time": now}
    if params["symbol"] != "BTCUSDT":
        return 400, {"code": -1121, "msg": "Invalid symbol."}
    first, last, limit = (int(params[k]) for k in ("startTime", "endTime", "limit"))
    if name == "klines":
        step = length(params["interval"])
        return 200, [
            [
                *(t, *prices(t, step), f"{10 + (k := number(t, step))}", t + step - 1),
                *(f"{(10 + k) * 1000}", 5, f"{4 + k}", "0", "0"),
            ]
            for t in rest.bars(first, last, step)[:limit]
        ]
    if name == "markPriceKlines":
        step = length(params["interval"])
        rows = rest.bars(first, last, step)[:limit]
        return 200, [[t, *prices(t, step, 5), "0", t + step - 1] for t in rows]
    if name == "openInterestHist":
        if first < millis(rest.now) - 30 * 86_400_000:
            return 400, {"code": -1130, "msg": "parameter 'startTime' is invalid."}
        rows = rest.bars(first, last, length(params["period"]))[:limit]
        return 200, [
            {"timestamp": t, "sumOpenInterest": f"{open_interest(t)}"}
            | {"sumOpenInterestValue": f"{open_interest(t) * 1000}"}
            for t in rows
        ]
    assert name == "fundingRate"
    rows = rest.bars(first - 3, last - 3, FUNDING)[:limit]  # stamped 3 ms late
    return 200, [{"fundingTime": t + 3, "fundingRate": funding_rate(t)} for t in rows]


def bybit(rest, name, params):
    if name == "instruments-info":
        row = {"symbol": "BTCUSDT", "contractType": "LinearPerpetual", "status": "Trading"}
        return 200, bybit_list([row])
    if params["symbol"] != "BTCUSDT":
        return 200, {"retCode": 10001, "retMsg": "symbol invalid", "result": {}}
    if name == "risk-limit":
        tiers = ((2_000_000, "100", "0.005", "0"), (2_600_000, "90", "0.0056", "1200"))
        names = ("riskLimitValue", "maxLeverage", "maintenanceMargin", "mmDeduction")
        rows = [dict(zip(names, tier, strict=True)) | {"symbol": "BTCUSDT"} for tier in tiers]
        return 200, bybit_list(rows)
    if name == "tickers":
        now = millis(rest.now)
        row = {"symbol": "BTCUSDT", "openInterest": f"{2 * open_interest(now)}"}
        return 200, bybit_list([row]) | {"time": now}
    limit = int(params["limit"])
    if name in ("kline", "mark-price-kline"):
        step = length(params["interval"])
        found = rest.bars(int(params["start"]), int(params["end"]), step)
        above, more = (0, True) if name == "kline" else (5, False)
        rows = [
            [f"{t}", *prices(t, step, above)]
            + ([f"{10 + number(t, step)}", f"{(10 + number(t, step)) * 1000}"] if more else [])
            for t in found
        ]
    elif name == "open-interest":
        step = length(params["intervalTime"])
        rows = [
            {"timestamp": f"{t}", "openInterest": f"{2 * open_interest(t)}"}
            # The figure for one side is in some answers only.
            | ({"singleOpenInterest": f"{open_interest(t)}"} if t // step % 2 else {})
            for t in rest.bars(int(params["startTime"]), int(params["endTime"]), step)
        ]
    else:
        assert name == "history"
        found = rest.bars(int(params["startTime"]), int(params["endTime"]), FUNDING)
        rows = [
            {"symbol": "BTCUSDT", "fundingRateTimestamp": f"{t}", "fundingRate": funding_rate(t)}
            for t in found
        ]
    return 200, bybit_list(rows[::-1][:limit])  # the newest first


def bybit_list(rows):
    return {"retCode": 0, "retMsg": "OK", "result": {"list": rows}}


def okx(rest, name, params):
    if name == "instruments":
        row = {"instId": "BTC-USDT-SWAP", "ctType": "linear", "state": "live"}
        return 200, okx_data([row | {"ctVal": f"{CONTRACT}", "ctMult": "1", "lever": "100"}])
    if name == "position-tiers":
        # In contracts: up to 500 are 5 BTC.
        tiers = (("0", "500", "0.004", "100"), ("501", "2000", "0.005", "50"))
        names = ("minSz", "maxSz", "mmr", "maxLever")
        rows = [dict(zip(names, tier, strict=True)) for tier in tiers]
        return 200, okx_data([row | {"instFamily": "BTC-USDT"} for row in rows])
    if name == "open-interest":
        now = millis(rest.now)
        row = {"instId": "BTC-USDT-SWAP", "oiCcy": f"{open_interest(now)}", "ts": f"{now}"}
        return 200, okx_data([row])
    if params["instId"] != "BTC-USDT-SWAP":
        return 200, {"code": "51001", "msg": "Instrument ID does not exist", "data": []}
    limit = int(params["limit"])
    if name == "open-interest-history":
        step = length(params["period"])
        kept = millis(rest.now) // step * step - 1439 * step
        found = rest.bars(int(params["begin"]) + 1, int(params["end"]) - 1, step)
        rows = [
            [
                *(f"{t}", f"{open_interest(t) / CONTRACT:.0f}"),
                *(f"{open_interest(t)}", f"{open_interest(t) * 1000}"),
            ]
            for t in found
            if t >= kept
        ]
        return 200, okx_data(rows[::-1][:limit])
    # "after" asks for what is earlier, "before" for what is later, both without their own time.
    first, last = int(params["before"]) + 1, int(params["after"]) - 1
    if name == "funding-rate-history":
        rows = [
            {"fundingTime": f"{t}", "fundingRate": "0.5", "realizedRate": funding_rate(t)}
            for t in rest.bars(first, last, FUNDING)
        ]
        return 200, okx_data(rows[::-1][:limit])
    step = length(params["bar"])
    rows = []
    for t in rest.bars(first, last, step):
        volume = 10 + number(t, step)
        closed = "1" if t + step <= millis(rest.now) else "0"
        if name == "history-candles":
            sizes = [f"{volume / CONTRACT:.0f}", f"{volume}", f"{volume * 1000}"]
            rows.append([f"{t}", *prices(t, step), *sizes, closed])
        else:
            assert name == "history-mark-price-candles"
            rows.append([f"{t}", *prices(t, step, 5), closed])
    return 200, okx_data(rows[::-1][:limit])


def okx_data(rows):
    return {"code": "0", "msg": "", "data": rows}


def hyperliquid(rest, name, params):
    if name == "meta":
        tiers = [{"lowerBound": "0.0", "maxLeverage": 40}]
        tiers.append({"lowerBound": "150000000.0", "maxLeverage": 20})
        return 200, {
            "universe": [{"name": "BTC", "maxLeverage": 40, "marginTableId": 56}],
            "marginTables": [[56, {"description": "", "marginTiers": tiers}]],
        }
    if name == "metaAndAssetCtxs":
        state = {"openInterest": f"{open_interest(millis(rest.now))}", "markPx": "1000"}
        return 200, [{"universe": [{"name": "BTC", "maxLeverage": 40}]}, [state]]
    if name == "clearinghouseState":
        rows = [{"type": "oneWay", "position": p} for p in rest.positions.get(params["user"], [])]
        return 200, {"assetPositions": rows, "time": millis(rest.now)}
    if name == "candleSnapshot":
        wanted = params["req"]
        step = length(wanted["interval"])
        kept = millis(rest.now) // step * step - 4999 * step
        return 200, [
            {"t": t, "T": t + step - 1, "s": "BTC", "v": f"{10 + number(t, step)}"}
            | dict(zip("ohlc", prices(t, step), strict=True))
            # What holds the start comes too.
            for t in rest.bars(wanted["startTime"] - step, wanted["endTime"], step)
            if t >= kept
        ]
    assert name == "fundingHistory"
    hourly = rest.bars(params["startTime"], params["endTime"], 3_600_000)[:500]
    return 200, [{"coin": "BTC", "time": t, "fundingRate": funding_rate(t)} for t in hourly]


def position(coin="BTC", size="0.5", liquidation_price="900", **more):
    """Return an open position as Hyperliquid tells it; the sign of its size is its side."""
    return {
        "coin": coin,
        "szi": size,
        "leverage": {"type": "isolated", "value": 20},
        "entryPx": "1000",
        "liquidationPx": liquidation_price,
        "marginUsed": "25",
    } | more


def open_interest(time):
    return 500 + number(time, 300_000)


def funding_rate(time):
    return f"{(1 + number(time, FUNDING)) / 10_000}"


SPEAKS = {"binance": binance, "bybit": bybit, "okx": okx, "hyperliquid": hyperliquid}
EXCHANGES = tuple(SPEAKS)


def serve(handler, body):
    """Answer as the exchange does."""
    reply(handler, 200, body)


def gives(answer):
    """Answer with something else, successfully."""
    return lambda handler, _: reply(handler, 200, json.dumps(answer).encode())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    rest = None

    def do_GET(self):
        parts = urlsplit(self.path)
        self.respond(Asked(parts.path.rpartition("/")[2], dict(parse_qsl(parts.query))))

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.respond(Asked(body["type"], body))

    def respond(self, asked):
        behave = self.rest.take(asked)
        code, answer = self.rest.body(asked)
        body = json.dumps(answer).encode()
        try:
            if behave:
                behave(self, body)
            else:
                reply(self, code, body)
        except OSError:  # who asked is gone
            self.close_connection = True

    def log_message(self, *_):
        pass


@contextmanager
def serving(exchanges=EXCHANGES):
    """Serve exchanges, each on a free port of loopback; yield them by name."""
    with ExitStack() as stack:
        yield {exchange: stack.enter_context(_serving(exchange)) for exchange in exchanges}


@contextmanager
def _serving(exchange):
    rest = FakeRest(exchange)
    with Server(("127.0.0.1", 0), type("RestHandler", (Handler,), {"rest": rest})) as server:
        rest.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield rest
        finally:
            server.shutdown()
            thread.join()
