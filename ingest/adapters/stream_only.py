"""What an adapter inherits that reads an exchange's stream and, so far, nothing else."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NoReturn

from ingest.adapters.adapter import (
    Context,
    HistoryLimit,
    Kind,
    NotOffered,
    Ping,
    RateLimit,
    Request,
    Text,
)
from ingest.records import Candle, FundingRate, Instrument, MarkCandle, OpenInterest, Tiers


class StreamOnly:
    """Refuses every request with a sentence, and says what holds for most streams.

    Override what the exchange does answer, and leave it out of ``unavailable``.
    """

    liveness: Ping | None = None
    data_silence: float | None = None
    max_age: float | None = None
    only_closed = False
    rate_limits: Mapping[str, RateLimit] = {}
    history: Mapping[Kind, HistoryLimit] = {}
    unavailable: Mapping[Kind, str] = {
        "candles": "Candles of this exchange are not read.",
        "mark_candles": "Mark-price candles of this exchange are not read.",
        "open_interest_now": "Open interest of this exchange is not read.",
        "open_interest_history": "Open interest of this exchange is not read.",
        "funding": "Funding rates of this exchange are not read.",
        "tiers": "Leverage tiers of this exchange are not read.",
        "instruments": "The list of markets of this exchange is not read.",
    }

    @property
    def ping(self) -> Ping | None:
        """Nothing but the connection's own answers to the exchange's pings."""
        return None

    def candles(
        self, symbol: str, interval: timedelta, start: datetime, stop: datetime
    ) -> list[Request]:
        """Refuse."""
        self._refuse("candles")

    def read_candles(self, text: Text, symbol: str, interval: timedelta) -> list[Candle]:
        """Refuse."""
        self._refuse("candles")

    def mark_candles(
        self, symbol: str, interval: timedelta, start: datetime, stop: datetime
    ) -> list[Request]:
        """Refuse."""
        self._refuse("mark_candles")

    def read_mark_candles(self, text: Text, symbol: str, interval: timedelta) -> list[MarkCandle]:
        """Refuse."""
        self._refuse("mark_candles")

    def open_interest_now(self, symbols: Sequence[str]) -> list[Request]:
        """Refuse."""
        self._refuse("open_interest_now")

    def read_open_interest_now(self, text: Text, received: datetime) -> list[OpenInterest]:
        """Refuse."""
        self._refuse("open_interest_now")

    def open_interest_history(
        self, symbol: str, interval: timedelta, start: datetime, stop: datetime
    ) -> list[Request]:
        """Refuse."""
        self._refuse("open_interest_history")

    def read_open_interest_history(self, text: Text, symbol: str) -> list[OpenInterest]:
        """Refuse."""
        self._refuse("open_interest_history")

    def funding(self, symbol: str, start: datetime, stop: datetime) -> list[Request]:
        """Refuse."""
        self._refuse("funding")

    def read_funding(self, text: Text, symbol: str) -> list[FundingRate]:
        """Refuse."""
        self._refuse("funding")

    def tiers(self, symbols: Sequence[str]) -> list[Request]:
        """Refuse."""
        self._refuse("tiers")

    def read_tiers(self, text: Text, received: datetime, context: Context) -> list[Tiers]:
        """Refuse."""
        self._refuse("tiers")

    def instruments(self) -> list[Request]:
        """Refuse."""
        self._refuse("instruments")

    def read_instruments(self, text: Text) -> list[Instrument]:
        """Refuse."""
        self._refuse("instruments")

    def _refuse(self, kind: Kind) -> NoReturn:
        raise NotOffered(self.unavailable[kind])
