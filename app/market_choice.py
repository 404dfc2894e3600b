"""Which stored markets a question is about, and what is told where there are none."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from app.errors import NoData
from engine.models import DEFAULT_MODEL, MODELS
from engine.parameters import Parameters

_DEFAULT = MODELS[DEFAULT_MODEL].parameters


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
        """Whether it has the open interest that most models make a map of."""
        ...


Market = TypeVar("Market", bound=StoredMarket)


def choose_markets(
    stored: Sequence[Market],
    symbol: str,
    exchanges: Sequence[str],
    assumed: Parameters | None = _DEFAULT,
    where: str = "",
) -> list[Market]:
    """Return the markets asked for that a model can map.

    Parameters
    ----------
    stored : sequence
        All that are stored.
    symbol : str
        Empty for any.
    exchanges : sequence of str
        Empty for all that have the symbol.
    assumed : Parameters or None
        The model's, the default one's if left out; None where it does not matter what can be
        mapped.
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
    if assumed is None or not assumed.follows_interest:
        return chosen
    mapped = [market for market in chosen if market.is_mapped]
    if not mapped:
        raise no_interest(called, _exchanges(chosen))
    return mapped


def no_interest(symbol: str, exchanges: str) -> NoData:
    """Return what is said where a model needs open interest and none is stored."""
    names = [name for name, model in MODELS.items() if not model.parameters.follows_interest]
    return NoData(
        f"No open interest is stored for {symbol} on {exchanges}, and the map is made of it. Load "
        f'some with "liqheat ingest", for example Binance\'s metrics files, or choose a model that '
        f"needs none: {', '.join(names[:-1])} or {names[-1]}."
    )


def _exchanges(markets: Sequence[StoredMarket]) -> str:
    return ", ".join(sorted({market.exchange for market in markets}))
