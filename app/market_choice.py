"""Which stored markets a question is about, and what is told where there are none."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from app.errors import NoData


class StoredMarket(Protocol):
    """A market of which something is stored."""

    @property
    def exchange(self) -> str:
        """Its exchange."""
        ...

    @property
    def symbol(self) -> str:
        """Its symbol."""
        ...

    @property
    def is_mapped(self) -> bool:
        """Whether it has the open interest that a map is made of."""
        ...


Market = TypeVar("Market", bound=StoredMarket)


def choose_markets(
    stored: Sequence[Market], symbol: str, exchanges: Sequence[str], where: str = ""
) -> list[Market]:
    """Return the markets asked for that can be mapped.

    Parameters
    ----------
    stored : sequence
        All that are stored.
    symbol : str
        Empty for any.
    exchanges : sequence of str
        Empty for all that have the symbol.
    where : str
        What they are stored in, if the reader may not know.

    Raises
    ------
    NoData
        If there is none, or an exchange that was named has nothing.
    """
    of_symbol = [market for market in stored if symbol in ("", market.symbol)]
    called = symbol or "any market"
    if not of_symbol:
        raise NoData(
            f"Nothing is stored for {called} {f'in {where}' if where else 'yet'}. Load candles and "
            f'open interest with "liqheat ingest", or see what there is with "liqheat coverage".'
        )
    if unknown := sorted(set(exchanges) - {market.exchange for market in of_symbol}):
        raise NoData(
            f"Nothing is stored for {called} on {', '.join(unknown)}; stored are "
            f"{_exchanges(of_symbol)}."
        )
    chosen = [market for market in of_symbol if not exchanges or market.exchange in exchanges]
    mapped = [market for market in chosen if market.is_mapped]
    if not mapped:
        raise NoData(
            f"No open interest is stored for {called} on {_exchanges(chosen)}, and the map is made "
            f'of it. Load some with "liqheat ingest", for example Binance\'s metrics files.'
        )
    return mapped


def _exchanges(markets: Sequence[StoredMarket]) -> str:
    return ", ".join(sorted({market.exchange for market in markets}))
