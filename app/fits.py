"""Assumptions fitted to a stored market, kept as named presets of it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from app import __version__
from app.assumptions import Assumptions
from app.errors import NoData
from app.score_data import StoredPeriod
from app.version import program_version
from engine.models import find_model
from engine.score import Fit, Verdict, fit
from ingest.measured import StoredFit, set_fit, stored_fits
from ingest.store import Store

FITTED_MODEL = "two-speed"
"""The model whose numbers are fitted."""


@dataclass(frozen=True, slots=True)
class FittedPreset:
    """A market's fitted assumptions under a name.

    Attributes
    ----------
    exchange, symbol : str
        The market.
    name : str
        Like ``Fitted (2026-03-01, n 812)``: end of the fitted data, and number of periods.
    assumptions : mapping of str to Any
        The model and its changed parameters: keywords for any `Assumptions`.
    result : mapping of str to Any
        The numbers with their bands, deviances, and the data they were fitted to.
    fitted_at : datetime
        When. [UTC]
    """

    exchange: str
    symbol: str
    name: str
    assumptions: Mapping[str, Any]
    result: Mapping[str, Any]
    fitted_at: datetime


def fit_period(
    period: StoredPeriod, progress: Callable[[int, int], None] | None = None
) -> Fit | Verdict:
    """Return the fit of what is stored of a market over a period, or why there is none.

    Raises
    ------
    NoData
        If no liquidations are stored in the period; the message says how to get some.
    """
    market = period.market
    if not len(period.liquidations):
        raise NoData(
            f"No liquidations of {market.symbol} on {market.exchange} are stored from "
            f"{period.start:%Y-%m-%d} to {period.stop:%Y-%m-%d}, and a fit needs some. Collect "
            f'them with "liqheat collect --symbols {market.symbol}", or load files with "liqheat '
            'ingest".'
        )
    return fit(market, period.liquidations, find_model(FITTED_MODEL).parameters, progress)


def preset_of(found: Fit, period: StoredPeriod) -> FittedPreset:
    """Return a fit as a preset of its market."""
    parameters = found.parameters
    assumed = Assumptions(
        model=FITTED_MODEL,
        profile=str(parameters.profile),
        slow_of_turnover=parameters.slow_of_turnover,
        speed_ratio=parameters.speed_ratio,
    )
    day = np.datetime_as_string(found.stop, "D")
    result = asdict(found)
    del result["parameters"]
    return FittedPreset(
        exchange=period.market.exchange,
        symbol=period.market.symbol,
        name=f"Fitted ({day}, n {found.periods})",
        assumptions=assumed.changes(),
        result=json.loads(json.dumps(result, default=str)),
        fitted_at=datetime.now(UTC),
    )


def keep(store: Store, preset: FittedPreset) -> None:
    """Store a preset in the database, beside the market's others."""
    set_fit(
        store,
        StoredFit(
            exchange=preset.exchange,
            symbol=preset.symbol,
            name=preset.name,
            assumptions=json.dumps(preset.assumptions, sort_keys=True),
            watermark=store.watermark((preset.exchange,), preset.symbol),
            program_version=f"{__version__} {program_version()}",
            fitted_at=preset.fitted_at,
            result=json.dumps(preset.result),
        ),
    )


def fitted_presets(store: Store, symbol: str, exchange: str | None = None) -> list[FittedPreset]:
    """Return the fitted presets of a symbol, or of one market, the newest first."""
    return [
        FittedPreset(
            exchange=each.exchange,
            symbol=each.symbol,
            name=each.name,
            assumptions=json.loads(each.assumptions),
            result=json.loads(each.result),
            fitted_at=each.fitted_at,
        )
        for each in stored_fits(store, symbol)
        if exchange in (None, each.exchange)
    ]
