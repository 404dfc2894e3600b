"""From stored rows to the engine's market."""

from dataclasses import fields, replace
from datetime import UTC
from typing import Any

import numpy as np

from app.errors import NoData
from app.market_choice import no_interest
from engine.margin import BEGINNING, LeverageTier, MarginRules
from engine.market import Floats, Market
from engine.models import DEFAULT_MODEL, MODELS
from engine.parameters import Parameters
from engine.tiers import margin_rules
from ingest.bars import Bars
from ingest.store import Arrays, Store

_DEFAULT = MODELS[DEFAULT_MODEL].parameters


def load_market(store: Store, bars: Bars, assumed: Parameters = _DEFAULT) -> Market:
    """Return the engine's market of stored bars, as far as a model (the default) can map them.

    Where it follows open interest, that is from the first known one on.

    Raises
    ------
    NoData
        If the model needs open interest or funding rates, and there are none.
    """
    exchange, symbol = bars.exchange, bars.symbol
    first, initial = 0, bars.initial_open_interest
    if assumed.follows_interest:
        first, initial = _beginning(bars)
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
        funding=_funding(store, bars)[kept] if assumed.needs_funding else None,
    )


def _beginning(bars: Bars) -> tuple[int, float]:
    """Return the first bar that can be mapped, and the open interest before it. [base]"""
    if not np.isnan(bars.initial_open_interest):
        return 0, bars.initial_open_interest
    known = np.flatnonzero(~np.isnan(bars.open_interest))
    if not known.size:
        raise no_interest(bars.symbol, bars.exchange)
    # The first sample is where the book starts: before it there is no change to speak of.
    return int(known[0]) + 1, float(bars.open_interest[known[0]])


def _funding(store: Store, bars: Bars) -> Floats:
    """Return the sum of the funding rates that fell due within each bar. [-]

    Raises
    ------
    NoData
        If none is stored up to the last bar.
    """
    stops = bars.open_time + np.timedelta64(bars.interval)
    until = stops[-1].item().replace(tzinfo=UTC) if len(bars) else BEGINNING
    rates = store.funding_rates(bars.exchange, bars.symbol, BEGINNING, until)
    if len(bars) and not rates["time"].size:
        raise NoData(
            f"No funding rates are stored for {bars.symbol} on {bars.exchange}, and this model "
            f'needs them. Load some with "liqheat backfill --exchange {bars.exchange} --symbol '
            f'{bars.symbol} --kinds funding", or, of Binance, with "liqheat fetch".'
        )
    bar = np.searchsorted(bars.open_time, rates["time"], side="right") - 1
    within = (bar >= 0) & (rates["time"] < stops[bar])
    paid = np.bincount(bar[within], rates["funding_rate"][within], len(bars))
    return np.asarray(paid, np.float64)


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
