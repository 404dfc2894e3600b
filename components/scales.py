"""From notional to colour: linear, logarithmic, or by rank."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.uint8]

MAPPINGS = ("linear", "log", "quantile")

# A few cells outshine all others; a linear scale that ended at them would show nothing else.
_TOP = 0.998
# A logarithmic scale begins where little is below it, but spans no more than this below its top.
_LEAST, _SPAN = 0.1, 1000.0


@dataclass(frozen=True, slots=True, eq=False)
class ColourScale:
    """Which amounts share a colour.

    Attributes
    ----------
    mapping : {"linear", "log", "quantile"}
        How amounts spread over the colours.
    floor : ndarray, shape (256,)
        Least amount of each colour, ascending; colour 0 begins at zero. [quote]
    """

    mapping: str
    floor: Floats

    def index(self, notional: Floats) -> Indices:
        """Return the colour of each amount, 0 where there is nothing."""
        if self.mapping == "linear":
            index = np.minimum(notional / self.floor[1], 255.0)
        elif self.mapping == "log":
            index = self._log_index(notional)
        else:
            index = np.searchsorted(self.floor, notional, side="right") - 1.0
        colours: Indices = index.astype(np.uint8)
        return colours

    def _log_index(self, notional: Floats) -> Floats:
        low, top = self.floor[1], self.floor[255]
        scale = 254.0 / np.log(top / low)
        with np.errstate(divide="ignore"):
            raised = 1.0 + np.log(notional / low) * scale
        # What is there but below the scale is still told apart from nothing.
        return np.where(notional > 0.0, np.clip(raised, 1.0, 255.0), 0.0)


def colour_scale(notional: Floats, mapping: str) -> ColourScale:
    """Return the scale that spreads these amounts over 256 colours.

    Parameters
    ----------
    notional : ndarray, any shape
        Amounts, not negative. [quote]
    mapping : {"linear", "log", "quantile"}
        ``linear`` ends at the 99.8th percentile of what is not zero; ``log`` goes from the 10th
        to there, over three decades at most; ``quantile`` gives each colour as many cells.

    Raises
    ------
    ValueError
        If the mapping is unknown.
    """
    if mapping not in MAPPINGS:
        raise ValueError(f"a colour mapping is one of {', '.join(MAPPINGS)}, but is {mapping!r}")
    present = notional[notional > 0.0]
    if present.size == 0:
        return ColourScale("linear", np.arange(256.0))
    if mapping == "quantile":
        ranks = np.quantile(present, np.linspace(0.0, 1.0, 256)[:-1])
        return ColourScale(mapping, np.concatenate([[0.0], ranks]))
    top = float(np.quantile(present, _TOP))
    if mapping == "linear":
        return ColourScale(mapping, np.linspace(0.0, top, 256))
    low = max(float(np.quantile(present, _LEAST)), top / _SPAN)
    floor = np.geomspace(min(low, top / 2.0), top, 255)
    return ColourScale(mapping, np.concatenate([[0.0], floor]))
