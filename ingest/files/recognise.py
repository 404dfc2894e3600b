"""Recognise what a file holds by its name and folder, or by what the reader says."""

import re
from dataclasses import dataclass
from pathlib import Path

from ingest.errors import FileError, NotRead
from ingest.files import node_fills
from ingest.files.kinds import Kind
from ingest.intervals import SECONDS

_OF_ARCHIVES = (".zip", ".csv", ".csv.gz", ".parquet")
SUFFIXES = (*_OF_ARCHIVES, *node_fills.SUFFIXES)
"""Endings of files that are read."""

_ARCHIVED = re.compile(r"(?P<symbol>[^-/]+)-(?P<what>\w+)-\d{4}-\d{2}(-\d{2})?")
_BEGINS_WITH_SYMBOL = re.compile(r"(?P<symbol>[A-Z0-9]{2,}(USDT|USDC|BUSD|USD))(?![A-Za-z0-9])")
_COIN_MARGINED = re.compile(r"USD_(PERP|\d{6})$")
_KINDS = {
    "metrics": Kind.METRICS,
    "fundingRate": Kind.FUNDING,
    "aggTrades": Kind.TRADES,
    "liquidationSnapshot": Kind.LIQUIDATIONS,
}
_CANDLE_FOLDERS = {"klines": Kind.CANDLES, "markPriceKlines": Kind.MARK_CANDLES}
_OTHER_FOLDERS = ("indexPriceKlines", "premiumIndexKlines")
_OTHER = ("trades", "bookTicker", "bookDepth", "EOHSummary", "BVOLIndex")


@dataclass(frozen=True, slots=True)
class Told:
    """What the reader says about files; None where nothing."""

    exchange: str | None = None
    symbol: str | None = None
    kind: Kind | None = None
    interval_seconds: int | None = None


NOTHING_TOLD = Told()


@dataclass(frozen=True, slots=True)
class Source:
    """A file and what it holds.

    Attributes
    ----------
    path : Path
        Where it lies.
    kind : Kind
        What it holds.
    exchange, symbol : str
        Of which market.
    interval_seconds : int or None
        Of candles; None where only the rows can tell. [s]
    assumed : bool
        Whether the name leaves open if candles are of last or mark prices.
    """

    path: Path
    kind: Kind
    exchange: str
    symbol: str
    interval_seconds: int | None = None
    assumed: bool = False


def recognise(path: Path, told: Told = NOTHING_TOLD) -> Source:
    """Return what a file holds.

    Raises
    ------
    NotRead
        If it is none of those that are read, or nobody says what it is.
    FileError
        If its name and the reader disagree, or it is packed and broken.
    """
    if not path.name.lower().endswith(_OF_ARCHIVES):
        return _node_fills(path, told)
    if (match := _ARCHIVED.fullmatch(_stem(path))) and _in_archive(match["what"]):
        return _archived(path, match["symbol"], match["what"], told)
    if told.exchange and told.symbol and told.kind:
        _check_agreement(path, told.symbol)
        return Source(path, told.kind, told.exchange, told.symbol, told.interval_seconds)
    raise NotRead(
        path,
        "a name like Binance's archive gives (BTCUSDT-1m-2026-01.zip), or --exchange, --symbol and "
        "--kind",
        "neither",
    )


def _node_fills(path: Path, told: Told) -> Source:
    """Return what a file is whose name does not say it."""
    try:
        are_node_fills = node_fills.are_node_fills(path)
    except OSError as e:
        raise FileError(path, "a file that can be read", e.strerror or str(e)) from e
    if not are_node_fills:
        raise NotRead(
            path,
            "a file that ends in " + ", ".join(_OF_ARCHIVES) + ", or node fills of Hyperliquid",
            "neither",
        )
    for option, said, named in (
        ("--exchange", told.exchange, node_fills.EXCHANGE),
        ("--kind", told.kind, Kind.NODE_FILLS),
    ):
        if said not in (None, named):
            raise FileError(path, f"{said}, as {option} says", "node fills of Hyperliquid")
    return Source(path, Kind.NODE_FILLS, node_fills.EXCHANGE, told.symbol or node_fills.ALL)


def _archived(path: Path, symbol: str, what: str, told: Told) -> Source:
    _check_readable(path, symbol, what)
    kind, assumed = _KINDS.get(what), False
    if kind is None:
        kind = next((k for f, k in _CANDLE_FOLDERS.items() if f in path.parts), None)
        kind, assumed = kind or told.kind or Kind.CANDLES, not (kind or told.kind)
    for option, said, named in (
        ("--exchange", told.exchange, "binance"),
        ("--symbol", told.symbol, symbol),
        ("--kind", told.kind, kind),
    ):
        if said not in (None, named):
            raise FileError(path, f"{said}, as {option} says", f"a file named for {named}")
    return Source(path, kind, "binance", symbol, SECONDS.get(what), assumed)


def _check_readable(path: Path, symbol: str, what: str) -> None:
    folders = set(path.parts)
    if "cm" in folders or _COIN_MARGINED.search(symbol):
        raise NotRead(
            path, "sizes in the base asset", f"{symbol}, which counts contracts of 10 or 100 USD"
        )
    if others := folders & {"spot", "option"}:
        raise NotRead(path, "data of futures", f"a file in the folder {others.pop()}")
    if others := {what} & set(_OTHER) or folders & set(_OTHER_FOLDERS):
        raise NotRead(path, f"one of {', '.join((*_CANDLE_FOLDERS, *_KINDS))}", others.pop())


def _check_agreement(path: Path, symbol: str) -> None:
    """Keep one market's file out of another's rows: ``*`` on a folder takes in all of them."""
    named = _BEGINS_WITH_SYMBOL.match(path.name)
    if named and named["symbol"] != symbol:
        raise FileError(path, f"{symbol}, as --symbol says", f"a file named for {named['symbol']}")


def _in_archive(what: str) -> bool:
    return what in _KINDS or what in SECONDS or what in _OTHER


def _stem(path: Path) -> str:
    suffix = next((s for s in SUFFIXES if path.name.lower().endswith(s)), "")
    return path.name[: len(path.name) - len(suffix)]
