"""What its clients send. What else they send is ignored."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from app.api.coinglass.names import stored_exchange, stored_symbol, symbol_candidates
from app.api.parameters import Symbol
from app.heatmaps import StoredHeatmaps

HeatmapRange = Literal["12h", "24h", "3d", "7d", "30d", "90d", "180d", "1y"]
Exchange = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_-]{1,40}$", description="for example Binance, in any case"),
    AfterValidator(str.lower),
]


class CoinQuery(BaseModel):
    """A coin, on all exchanges that are stored."""

    symbol: Symbol = Field(description="a coin like BTC, or a pair")

    def stored(self, heatmaps: StoredHeatmaps) -> tuple[str, Sequence[str]]:
        """Return the stored symbol, and the exchanges asked for, none for all."""
        return stored_symbol(self.symbol, heatmaps.symbols()), ()

    def watermark(self, heatmaps: StoredHeatmaps) -> str:
        """Return the state of what may be stored for it."""
        return "".join(heatmaps.watermark(name) for name in symbol_candidates(self.symbol))


class PairQuery(CoinQuery):
    """A pair on one exchange."""

    exchange: Exchange
    symbol: Symbol = Field(description="a pair like BTCUSDT, or a coin")

    def stored(self, heatmaps: StoredHeatmaps) -> tuple[str, Sequence[str]]:
        """Return the stored symbol and the exchange."""
        symbol, _ = CoinQuery.stored(self, heatmaps)
        return symbol, (stored_exchange(self.exchange, symbol, heatmaps),)


class CoinHeatmapQuery(CoinQuery):
    """A window of a coin's map over time."""

    range: HeatmapRange


class PairHeatmapQuery(PairQuery):
    """A window of a pair's map over time."""

    range: HeatmapRange
