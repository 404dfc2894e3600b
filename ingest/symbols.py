"""Our spelling of markets: base and quote asset in one word, ``"BTCUSDT"``."""

import re

QUOTES = ("USDT", "USDC")
"""Quote assets, each worth a dollar: notionals are compared and added as if they were."""

_SYMBOL = re.compile(rf"([^\W_a-z]+)({'|'.join(QUOTES)})")


def split_symbol(symbol: str) -> tuple[str, str] | None:
    """Return base and quote asset of one of our symbols, None if it is none."""
    match = _SYMBOL.fullmatch(symbol)
    return (match[1], match[2]) if match else None


def join_symbol(base: str, quote: str) -> str | None:
    """Return our symbol of two assets, None if there is none."""
    symbol = base + quote
    return symbol if split_symbol(symbol) == (base, quote) else None
