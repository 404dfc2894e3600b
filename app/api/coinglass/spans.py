"""Which markets' realised liquidations are stored."""

from collections.abc import Sequence

from app.api.coinglass.names import stored_symbol
from app.api.parameters import known_exchanges
from app.errors import NoData
from app.heatmaps import StoredHeatmaps
from ingest.liquidations import LiquidationSpan, liquidation_spans


def stored_spans(
    heatmaps: StoredHeatmaps, name: str | None, exchanges: Sequence[str]
) -> list[LiquidationSpan]:
    """Return the spans of a coin or pair, or of all, on some exchanges, or on all.

    Raises
    ------
    UnknownExchange
        If an exchange is neither known nor stored.
    NoData
        If there is none.
    """
    # Liquidations may be stored of a market without candles.
    spans = liquidation_spans(heatmaps.store)
    having = {span.exchange for span in spans}
    known_exchanges([exchange for exchange in exchanges if exchange not in having], heatmaps)
    symbol = None
    if name is not None:
        stored = dict.fromkeys((*heatmaps.symbols(), *(span.symbol for span in spans)))
        symbol = stored_symbol(name, tuple(stored))
    found = [
        span
        for span in spans
        if symbol in (None, span.symbol) and (not exchanges or span.exchange in exchanges)
    ]
    if not found:
        where = f" on {', '.join(exchanges)}" if exchanges else ""
        raise NoData(
            f"No liquidations are stored{f' for {symbol}' if symbol else ''}{where}. Load some "
            'with "liqheat ingest", for example Binance\'s liquidationSnapshot files.'
        )
    return found
