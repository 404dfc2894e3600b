"""From stored rows to the engine's market."""

from dataclasses import fields, replace
from datetime import UTC
from typing import Any

import numpy as np

from app.errors import NoData
from engine.margin import LeverageTier, MarginRules
from engine.market import Market
from engine.tiers import margin_rules
from ingest.bars import Bars
from ingest.store import Arrays, Store


def load_market(store: Store, bars: Bars) -> Market:
    """Return the engine's market of stored bars, from the first known open interest on.

    Raises
    ------
    NoData
        If no bar has open interest.
    """
    exchange, symbol = bars.exchange, bars.symbol
    known = np.flatnonzero(~np.isnan(bars.open_interest))
    first, initial = 0, bars.initial_open_interest
    if np.isnan(initial):
        if not known.size:
            raise NoData(
                f"No open interest is stored for {symbol} on {exchange}, and the map is made of "
                f'it. Load some with "liqheat ingest", for example Binance\'s metrics files.'
            )
        # The first sample is where the book starts: before it there is no change to speak of.
        first, initial = int(known[0]) + 1, float(bars.open_interest[known[0]])
    kept = slice(first, None)
    marked = ~np.isnan(bars.mark_high[kept])
    return Market(
        exchange=exchange,
        symbol=symbol,
        interval=bars.interval,
        open_time=bars.open_time[kept],
        open=bars.open[kept],
        high=bars.high[kept],
        low=bars.low[kept],
        close=bars.close[kept],
        volume=bars.volume[kept],
        quote_volume=bars.quote_volume[kept],
        taker_buy_volume=bars.taker_buy_volume[kept],
        open_interest=bars.open_interest[kept],
        initial_open_interest=initial,
        margin=_rules(store.leverage_tiers(exchange, symbol)) or margin_rules(exchange, symbol),
        crossing_high=np.where(marked, bars.mark_high[kept], bars.high[kept]),
        crossing_low=np.where(marked, bars.mark_low[kept], bars.low[kept]),
        marked=marked,
    )


def part(market: Market, bars: slice) -> Market:
    """Return some of a market's bars; its initial open interest stays that of the whole."""
    arrays: dict[str, Any] = {
        field.name: value[bars]
        for field in fields(market)
        if isinstance(value := getattr(market, field.name), np.ndarray)
    }
    return replace(market, **arrays)


def _rules(rows: Arrays) -> tuple[MarginRules, ...]:
    """Return stored leverage tiers as dated rules, oldest first."""
    dates = np.unique(rows["valid_from"])
    return tuple(
        _rules_of({name: column[rows["valid_from"] == date] for name, column in rows.items()})
        for date in dates
    )


def _rules_of(rows: Arrays) -> MarginRules:
    names = ("floor", "cap", "max_leverage", "maintenance_rate", "deduction")
    return MarginRules(
        tiers=tuple(
            LeverageTier(*(float(value) for value in row))
            for row in zip(*(rows[name] for name in names), strict=True)
        ),
        valid_from=rows["valid_from"][0].item().replace(tzinfo=UTC),
        closing_fee=float(rows["closing_fee"][0]),
    )
