"""What every exchange's messages become.

Numbers are float64, made once from the exchange's decimal text; times are aware and UTC. Markets
are linear perpetual futures, so base asset and USD are the only units.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

LONG: Final = 1
SHORT: Final = -1

Side = Literal[1, -1]
"""Side of a position: +1 long, -1 short."""

PriceKind = Literal["fill", "bankruptcy", "mark"]
"""What a liquidation's price is: average fill, price at zero equity, or the mark price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquidation:
    """One position, or part of one, closed by the exchange.

    Attributes
    ----------
    exchange, symbol : str
        In our spelling, ``"binance"`` and ``"BTCUSDT"``.
    side : int
        Side of the *position*: a long (+1) is closed by a sell order.
    quantity : float
        What was closed. [base]
    price : float
        As the exchange tells it, which is what ``price_kind`` says. [quote]
    trigger_price : float or None
        Price at which the liquidation started, the one to compare a map's level with. None where
        the exchange tells a bankruptcy price and the maintenance rate is not known. [quote]
    notional : float
        Quantity × price. [USD]
    time : datetime
        When it happened, by the exchange's clock. [UTC]
    received : datetime
        When the message came, by ours. [UTC]
    key : str
        The same text each time the exchange sends the same event, for leaving out repetitions.
    trade_id : int or None
        The exchange's own id of the fill, None where it gives none. Tells two apart that agree in
        all else.
    """

    exchange: str
    symbol: str
    side: Side
    quantity: float
    price: float
    price_kind: PriceKind
    trigger_price: float | None
    notional: float
    time: datetime
    received: datetime
    key: str
    trade_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """One bar of trades.

    ``volume`` and ``taker_buy_volume`` are in base asset, ``quote_volume`` in quote asset; the
    latter two are None where the exchange does not tell.
    """

    exchange: str
    symbol: str
    interval_seconds: int
    open_time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float | None = None
    taker_buy_volume: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkCandle:
    """One bar of the mark price, at which equity is tested. [quote]"""

    exchange: str
    symbol: str
    interval_seconds: int
    open_time: datetime
    open: float
    high: float
    low: float
    close: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenInterest:
    """Open contracts with one side counted [base]; ``notional`` where the exchange tells. [USD]"""

    exchange: str
    symbol: str
    time: datetime
    open_interest: float
    notional: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingRate:
    """What longs paid shorts at ``time``, per funding interval [-].

    ``interval_hours`` is None where the exchange does not tell it.
    """

    exchange: str
    symbol: str
    time: datetime
    funding_rate: float
    interval_hours: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TierRow:
    """One row of leverage tiers: it holds where ``floor <= size of the position < cap``.

    ``maintenance_rate`` is the share of the notional that must remain [-]; ``deduction`` is what
    the exchange takes off the maintenance margin. [quote] ``cap`` may be infinite.
    """

    floor: float
    cap: float
    max_leverage: float
    maintenance_rate: float
    deduction: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiers:
    """A market's leverage tiers from ``valid_from`` on, lowest first.

    ``unit`` is that of floors and caps: OKX sets its tiers in contracts, so they are known in
    base asset only. ``closing_fee`` is charged against the margin at liquidation, in addition to
    the maintenance rate. [-]
    """

    exchange: str
    symbol: str
    valid_from: datetime
    rows: tuple[TierRow, ...]
    unit: Literal["quote", "base"] = "quote"
    closing_fee: float = 0.0

    def in_quote(self, price: float) -> "Tiers":
        """Return the tiers with floors and caps at a reference price. [quote]"""
        if self.unit == "quote":
            return self
        rows = (replace(row, floor=row.floor * price, cap=row.cap * price) for row in self.rows)
        return replace(self, unit="quote", rows=tuple(rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One market as its exchange lists it.

    ``native`` is the exchange's own spelling. ``contract_size`` is the base asset in one contract:
    exact, because it only ever multiplies other decimals. ``max_leverage`` is None where the
    exchange's list does not tell it.
    """

    exchange: str
    symbol: str
    native: str
    contract_size: Decimal
    max_leverage: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedPosition:
    """A position that really is open, as Hyperliquid shows everybody's.

    ``liquidation_price`` is the exchange's own [quote], None where the position has none (its
    margin covers any price). ``margin`` is what it uses. [USD]
    """

    exchange: str
    symbol: str
    user: str
    side: Side
    quantity: float
    entry_price: float
    leverage: float
    isolated: bool
    liquidation_price: float | None
    margin: float
    time: datetime


Record = (
    Liquidation
    | Candle
    | MarkCandle
    | OpenInterest
    | FundingRate
    | Tiers
    | Instrument
    | ObservedPosition
)


def contract_sizes(instruments: Sequence[Instrument]) -> dict[str, Decimal]:
    """Return the base asset in one contract by the exchange's own symbol."""
    return {instrument.native: instrument.contract_size for instrument in instruments}
