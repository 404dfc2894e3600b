"""What exchanges, coins and pairs are called there and here."""

from collections.abc import Iterator, Sequence

from app.api.parameters import known_exchanges
from app.errors import NoData
from app.heatmaps import StoredHeatmaps

_QUOTES = ("USDT", "USDC", "USD")


def symbol_candidates(name: str) -> Iterator[str]:
    """Yield the symbols that a coin or pair may be stored as, the likeliest first.

    ``BTC`` is ``BTCUSDT``, and so is OKX's ``BTC-USDT-SWAP``.
    """
    yield name
    plain = name.replace("-", "").replace("_", "").removesuffix("SWAP")
    yield from dict.fromkeys((plain, *(plain + quote for quote in _QUOTES)))


def stored_symbol(name: str, stored: Sequence[str]) -> str:
    """Return the stored symbol that a coin or pair names; ``NoData`` if there is none."""
    for candidate in symbol_candidates(name):
        if candidate in stored:
            return candidate
    raise NoData(
        f"Nothing is stored for {name} yet; stored are {', '.join(stored) or 'no symbols'}. Load "
        'candles and open interest with "liqheat ingest".'
    )


def base_asset(symbol: str) -> str:
    """Return ``BTC`` of ``BTCUSDT``."""
    for quote in _QUOTES:
        if symbol.endswith(quote) and symbol != quote:
            return symbol.removesuffix(quote).rstrip("-_")
    return symbol


def coins(stored: Sequence[str]) -> dict[str, str]:
    """Return the stored symbol of each coin, in the order of the symbols."""
    found: dict[str, str] = {}
    for symbol in stored:
        coin = base_asset(symbol)
        likely = (each for each in symbol_candidates(coin) if each in stored)
        # BTC-USD is no candidate of BTC, but all that is stored of it.
        found.setdefault(coin, next(likely, symbol))
    return found


def stored_exchange(name: str, symbol: str, heatmaps: StoredHeatmaps) -> str:
    """Return our name of an exchange that has the symbol.

    Raises
    ------
    UnknownExchange
        If it is neither known nor stored.
    NoData
        If the symbol is not stored of it.
    """
    (exchange,) = known_exchanges((name.lower(),), heatmaps)
    stored = heatmaps.exchanges(symbol)
    if exchange not in stored:
        raise NoData(
            f"Nothing is stored for {symbol} on {exchange}; stored are {', '.join(stored)}."
        )
    return exchange
