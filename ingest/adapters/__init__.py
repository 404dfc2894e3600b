"""One module for each exchange, and the list of them; see docs/adding-an-exchange.md."""

from collections.abc import Callable, Mapping, Sequence

from ingest.adapters.adapter import Adapter
from ingest.adapters.binance import Binance
from ingest.adapters.bybit import Bybit
from ingest.adapters.hyperliquid import Hyperliquid
from ingest.adapters.okx import Okx

Adapters = Mapping[str, Callable[..., Adapter]]
"""What makes each exchange's adapter, by the exchange; addresses are arguments of it."""

ADAPTERS: Adapters = {adapter.exchange: adapter for adapter in (Binance, Bybit, Okx, Hyperliquid)}


def make_adapter(
    exchange: str,
    *,
    stream_url: str | None = None,
    rest_url: str | None = None,
    users: Sequence[str] = (),
    adapters: Adapters = ADAPTERS,
) -> Adapter:
    """Return an exchange's adapter, at its own addresses or at others.

    ``users`` are those to follow on an exchange that shows everybody's positions.

    Raises
    ------
    ValueError
        If there is none, naming those there are.
    """
    if exchange not in adapters:
        raise ValueError(f"exchange must be one of {', '.join(adapters)}, but is {exchange!r}")
    options = {"stream_url": stream_url, "rest_url": rest_url, "users": tuple(users) or None}
    given = {name: value for name, value in options.items() if value is not None}
    return adapters[exchange](**given)
