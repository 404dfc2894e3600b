"""What a caller may ask of one moment, and what an answer about it says of itself."""

from datetime import timedelta
from typing import Any

from pydantic import Field

from app.api.answers import Format
from app.api.formats import iso
from app.api.meta import Origin, origin
from app.api.parameters import (
    MarketQuery,
    ModelQuery,
    PositivePrice,
    Price,
    Time,
    known_exchanges,
)
from app.heatmaps import StoredHeatmaps
from app.moment import MomentMap
from app.request import MOST_BUCKETS, HeatmapRequest

SHOWN = timedelta(days=7)
"""The price buckets hold the candles of so long before the moment, where no prices are asked."""


class MomentQuery(MarketQuery, ModelQuery):
    """The map of a market at one moment."""

    time: Time | None = Field(
        default=None,
        description="ISO 8601 or Unix milliseconds; UTC where it names no zone; end of the data "
        "if left out",
    )
    price_bins: int = Field(
        default=200, ge=1, le=MOST_BUCKETS, description="price buckets, at most, of a round width"
    )
    price_bin_size: PositivePrice | None = Field(
        default=None, description="width of the price buckets, instead of their number [quote]"
    )
    price_low: Price | None = Field(
        default=None,
        description="lowest price; around the candles of the 7 days before if left out [quote]",
    )
    price_high: PositivePrice | None = Field(
        default=None, description="highest price; give both or neither [quote]"
    )
    format: Format = "json"

    def moment(self, heatmaps: StoredHeatmaps) -> tuple[HeatmapRequest, MomentMap]:
        """Return the map, and the request that it answers.

        Raises
        ------
        UnknownExchange
            If an exchange is not one.
        NoData
            If nothing is stored for the symbol, or for the moment.
        ValueError
            If there can't be such price buckets; the message says what can.
        """
        exchanges = known_exchanges(self.names, heatmaps)
        assumed = self.assumed().parameters
        time = self.time or heatmaps.extent(self.symbol, exchanges, assumed)[1]
        request = HeatmapRequest(
            symbol=self.symbol,
            start=time - SHOWN,
            stop=time,
            exchanges=exchanges,
            **self.changes(),
            buckets=self.price_bins,
            bucket_width=self.price_bin_size,
            price_low=self.price_low,
            price_high=self.price_high,
        )
        return request, heatmaps.moment(request, time)


class MomentMeta(Origin):
    """What an answer about one moment was computed from, and how."""

    exchanges: list[str] = Field(description="those whose levels are known at the time")
    time: str
    last_price: float = Field(description="last close at the time [quote]")
    price_exchange: str = Field(description="whose close that is: most open interest")


def moment_meta(request: HeatmapRequest, moment: MomentMap) -> dict[str, Any]:
    """Return what `MomentMeta` describes."""
    return {
        "exchanges": list(moment.levels),
        "time": iso(moment.time),
        "last_price": moment.last_price,
        "price_exchange": moment.candle_exchange,
        "units": {"price": "quote currency", "notional": "quote currency", "time": "UTC"},
        **origin(request, moment, moment.edges, moment.coverage),
    }


def is_live(moment: MomentMap) -> bool:
    """Return whether new data may change the map."""
    return bool(moment.time >= moment.data_stop)
