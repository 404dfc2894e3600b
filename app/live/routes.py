"""The sockets that tell what has just been stored."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from fastapi import APIRouter, WebSocket
from pydantic import BaseModel, ConfigDict, Field

from app.api.parameters import ExchangesQuery, Symbol
from app.errors import UnknownExchange
from app.heatmaps import StoredHeatmaps
from app.live.feed import LiveFeed, Wanted
from app.live.market_states import MarketStates
from app.live.sockets import Sockets, Texts
from ingest.adapters import ADAPTERS
from ingest.symbols import split_symbol

MOST_SYMBOLS = 50


class LiquidationsQuery(ExchangesQuery):
    """Which liquidations a client wants; all where nothing is named."""

    symbols: str = Field(default="", max_length=MOST_SYMBOLS * 41)

    def wanted(self) -> Wanted:
        """Return what is wanted; ``ValueError`` if that can't be."""
        if unknown := [name for name in self.names if name not in ADAPTERS]:
            raise UnknownExchange(unknown, tuple(ADAPTERS))
        symbols = {part.strip() for part in self.symbols.split(",") if part.strip()}
        if len(symbols) > MOST_SYMBOLS:
            raise ValueError(f"symbols must be at most {MOST_SYMBOLS}, but are {len(symbols)}")
        return Wanted(frozenset(map(_symbol, symbols)), frozenset(self.names))


class ChangesQuery(BaseModel):
    """Which symbol's changes a client wants."""

    model_config = ConfigDict(extra="forbid")

    symbol: Symbol


def live_router(
    feed: LiveFeed, heatmaps: StoredHeatmaps, origins: Collection[str] = ()
) -> APIRouter:
    """Return the sockets.

    Parameters
    ----------
    feed : LiveFeed
        Tells what was stored.
    heatmaps : StoredHeatmaps
        Know the state of the data.
    origins : collection of str
        Origins besides this server's own whose pages may listen.
    """
    router = APIRouter()
    sockets, states = Sockets(origins), MarketStates(heatmaps)

    @router.websocket("/ws/liquidations")
    async def liquidations(websocket: WebSocket) -> None:
        def listen(parameters: Mapping[str, str]) -> AbstractContextManager[Texts]:
            return _liquidations(feed, LiquidationsQuery.model_validate(parameters).wanted())

        await sockets.serve(websocket, listen)

    @router.websocket("/ws/changes")
    async def changes(websocket: WebSocket) -> None:
        def listen(parameters: Mapping[str, str]) -> AbstractContextManager[Texts]:
            return _changes(feed, states, ChangesQuery.model_validate(parameters).symbol)

        await sockets.serve(websocket, listen)

    return router


@contextmanager
def _liquidations(feed: LiveFeed, wanted: Wanted) -> Iterator[Texts]:
    with feed.liquidations(wanted) as listener:
        yield listener.texts()


@contextmanager
def _changes(feed: LiveFeed, states: MarketStates, symbol: str) -> Iterator[Texts]:
    with feed.changes(symbol) as listener:
        yield states.texts(listener)


def _symbol(text: str) -> str:
    """Return a symbol as it is told of; none that could not be collected will ever be."""
    symbol = text.upper()
    if split_symbol(symbol) is None:
        raise ValueError(f"symbols must be like BTCUSDT,ETHUSDT, but one is {text!r}")
    return symbol
