"""Leverage tiers as they are stored: anew only where they differ from the newest table."""

from typing import Any

import numpy as np

from ingest.columns import Arrays
from ingest.records import Tiers

_SIZES = ("floor", "cap", "deduction")
_ROUNDING = 1e-9


def tier_columns(tiers: Tiers) -> dict[str, Any]:
    """Return tiers as the columns that the store takes."""
    names = ("floor", "cap", "max_leverage", "maintenance_rate", "deduction")
    return {
        "exchange": tiers.exchange,
        "symbol": tiers.symbol,
        "valid_from": np.datetime64(tiers.valid_from.replace(tzinfo=None), "us"),
        "closing_fee": tiers.closing_fee,
    } | {name: np.array([getattr(row, name) for row in tiers.rows]) for name in names}


def is_stored(stored: Arrays, tiers: Tiers, leeway: float = 0.0) -> bool:
    """Return whether the newest stored table is the same.

    Parameters
    ----------
    stored : dict of ndarray, shape (n,)
        As `Store.leverage_tiers` returns them.
    tiers : Tiers
        In quote asset.
    leeway : float
        All sizes may differ by one factor, at most so far from 1: a change of the price does that
        to tiers that are fixed in base asset. [-]
    """
    if not stored["valid_from"].size:
        return False
    newest = stored["valid_from"] == stored["valid_from"].max()
    old = {name: values[newest] for name, values in stored.items()}
    new = tier_columns(tiers)
    if old["cap"].size != new["cap"].size:
        return False
    factor = float(new["cap"][0] / old["cap"][0]) if np.isfinite(new["cap"][0]) else 1.0
    rates = ("max_leverage", "maintenance_rate", "closing_fee")
    return (
        abs(factor - 1.0) <= leeway + _ROUNDING
        and all(np.allclose(old[name], new[name], rtol=_ROUNDING) for name in rates)
        and all(np.allclose(old[name] * factor, new[name], rtol=_ROUNDING) for name in _SIZES)
    )
