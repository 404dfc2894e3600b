"""What arrays a stored book consists of: compiled code does not check where it reads."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.kernels import Holders

# Bars n, entry points p, leverages times points t, regimes of margin rules r, parts of openings o,
# kinds of holders k, closings of single levels m.
_SHAPES: Mapping[str, tuple[str, tuple[str | int, ...]]] = {
    "candles_open_time": ("datetime64[us]", ("n",)),
    **{f"candles_{name}": ("float64", ("n",)) for name in ("open", "high", "low", "close")},
    "marked": ("bool", ("n",)),
    "open_interest": ("float64", ("n + 1",)),
    **{
        f"bars_{name}": ("float64", ("n",))
        for name in ("turn", "low", "high", "change", "turned_over", "paid")
    },
    "bars_entry": ("float64", ("n", "p")),
    "bars_levered": ("float64", ("n", 2)),
    "bars_gap": ("bool", ("n",)),
    "bars_regime": ("int32", ("n",)),
    **{f"tiers_{name}": ("float64", ("r", 2, "t")) for name in ("base", "slope")},
    **{f"tiers_{name}": ("float64", ("r", "t")) for name in ("weight", "leverage")},
    "tiers_point": ("int64", ("t",)),
    "tiers_drift": ("float64", (2,)),
    "ledger_opened": ("float64", ("n + 1", 2, "o")),
    **{f"ledger_{name}": ("float64", ("n + 1", 2)) for name in ("closed", "liquidated", "pool")},
    **{f"ledger_{name}": ("float64", ("n + 1", 2, "k")) for name in ("tracked", "survival")},
    "ledger_epoch": ("int32", ("n + 1", 2, "k")),
    "death": ("int32", ("n", 2, "t")),
    "closings_bar": ("int32", ("m",)),
    "closings_level": ("int64", ("m",)),
    "closings_size": ("float64", ("m",)),
    "interval": ("int64", ()),
    "last": ("float64", (2,)),
    "last_stop": ("datetime64[us]", ()),
}


def check_arrays(arrays: Mapping[str, NDArray[Any]], holders: Holders) -> None:
    """Raise ``ValueError`` if a book of these arrays would make compiled code read elsewhere."""
    bars, regimes = arrays["candles_open_time"].size, len(arrays["tiers_weight"])
    sizes = {
        "n": bars,
        "n + 1": bars + 1,
        "t": arrays["tiers_weight"].shape[-1],
        "r": regimes,
        "p": arrays["bars_entry"].shape[-1],
        "o": len(holders.net),
        "k": len(holders.speed),
        "m": arrays["closings_bar"].size,
    }
    for name, (dtype, shape) in _SHAPES.items():
        wanted = tuple(sizes[part] if isinstance(part, str) else part for part in shape)
        found = arrays[name]
        if found.shape != wanted or found.dtype != np.dtype(dtype):
            raise ValueError(
                f"{name} must be {dtype} of shape {wanted}, "
                f"but is {found.dtype} of shape {found.shape}"
            )
    _check_range(arrays, "bars_regime", regimes)
    _check_range(arrays, "tiers_point", sizes["p"])
    _check_range(arrays, "closings_bar", bars)
    _check_range(arrays, "closings_level", arrays["death"].size)
    if arrays["interval"] <= 0:
        raise ValueError(f"interval must be positive, but is {arrays['interval']} microseconds")


def _check_range(arrays: Mapping[str, NDArray[Any]], name: str, stop: int) -> None:
    values = arrays[name]
    if values.size and not (values.min() >= 0 and values.max() < stop):
        raise ValueError(f"{name} must be from 0 on and below {stop}")
