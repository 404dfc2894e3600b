"""Liquidations in Hyperliquid's fills, whether a user's own or the nodes' archive has them.

https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from ingest.adapters import fields
from ingest.adapters.adapter import Context, Liquidations, Text
from ingest.records import LONG, SHORT, Liquidation, Side

EXCHANGE = "hyperliquid"

# In a backstop liquidation the fill itself says whose position ended, in every user's words.
_DIRECTION = re.compile(r"Liquidated (?:Cross|Isolated) (Long|Short)")
_DIRECTIONS: dict[str, Side] = {"Long": LONG, "Short": SHORT}
_SOLD = {"A": True, "B": False}  # "A" is the ask: this user sold


def read_fills(
    text: Text,
    fills: Sequence[tuple[Any, Any]],
    symbol_of: Callable[[str], str | None],
    received: datetime,
    context: Context,
) -> Liquidations:
    """Return the liquidations in fills.

    Parameters
    ----------
    text : str or bytes
        The message that they are from.
    fills : sequence of tuple
        Each with the user whose fill it is, None if that is not told.
    symbol_of : callable
        Translates the exchange's symbols.
    received : datetime
        When the message came. [UTC]
    context : Context
        What else must be known.
    """
    return fields.read_rows(
        EXCHANGE, text, fills, lambda fill: _liquidation(*fill, symbol_of, received, context)
    )


def _liquidation(
    user: Any,
    fill: Any,
    symbol_of: Callable[[str], str | None],
    received: datetime,
    context: Context,
) -> Liquidation | None:
    if isinstance(fill, dict) and fill.get("liquidation") is None:
        return None  # as nearly all of them, so nothing else is looked at
    symbol = symbol_of(fields.text(fill, "coin"))
    if not context.wants(symbol) or symbol is None:
        return None
    liquidation = fields.mapping(fill, "liquidation")
    quantity = fields.take(fill, "sz", fields.positive)
    price = fields.take(fill, "px", fields.positive)
    return Liquidation(
        exchange=EXCHANGE,
        symbol=symbol,
        side=_side(user, fill, liquidation),
        quantity=quantity,
        price=price,
        price_kind="fill",
        # Equity is tested at the mark price.
        trigger_price=fields.take(liquidation, "markPx", fields.positive),
        notional=fields.value(quantity, price),
        time=fields.take(fill, "time", fields.from_millis),
        received=received,
        # The same for both users of a trade.
        key=fields.natural_key(
            EXCHANGE,
            [
                *(fill.get(name) for name in ("coin", "time", "px", "sz", "tid")),
                liquidation["liquidatedUser"],
            ],
        ),
        trade_id=fields.optional(fill, "tid", fields.whole),
    )


def _side(user: Any, fill: Any, liquidation: Any) -> Side:
    """Return the side of the position that was liquidated, whoever's fill it is.

    A long is closed by selling, so who was liquidated sold ("A"), and the counterparty, whose
    fill says the same liquidation, bought.
    """
    liquidated = fields.text(liquidation, "liquidatedUser")
    direction = fill.get("dir")
    told = _DIRECTION.fullmatch(direction) if isinstance(direction, str) else None
    if told and fields.text(liquidation, "method") == "backstop":
        return _DIRECTIONS[told[1]]
    sold = fields.choice(fill, "side", _SOLD)
    if isinstance(user, str):
        own = user.lower() == liquidated.lower()
    else:  # the market order is the liquidated user's; it crosses what others had in the book
        own = fields.member(fill, "crossed") is True
    return LONG if own == sold else SHORT
