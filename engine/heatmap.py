"""Pictures of a level book: notional or size by time and price."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Measure = Literal["notional", "size"]


@dataclass(frozen=True, slots=True, eq=False)
class Heatmap:
    """State and events of a book on a grid of time columns and price buckets.

    The side axis has length 2: longs, then shorts.

    Attributes
    ----------
    times : ndarray of datetime64[us], shape (columns + 1,)
        Edges of the columns, ``times[c] <= time < times[c + 1]``. [UTC]
    edges : ndarray, shape (buckets + 1,)
        Edges of the price buckets, half-open, ascending, equal width. [quote]
    active : ndarray, shape (2, buckets, columns)
        Open at the end of the column, by liquidation price. [quote or base, see ``measure``]
    consumed : ndarray, shape (2, buckets, columns)
        Liquidated within the column. [quote or base]
    opened, closed, liquidated : ndarray, shape (2, columns)
        Levels' size that was born, closed voluntarily, and liquidated in the column, at any
        price. [base]
    tracked : ndarray, shape (2, columns)
        Size of all levels at the column's end, at any price. [base]
    open_interest : ndarray, shape (columns,)
        Open interest at the column's end. [base]
    measure : {"notional", "size"}
        Whether cells are size times liquidation price [quote], or size [base].
    """

    times: NDArray[np.datetime64]
    edges: Floats
    active: Floats
    consumed: Floats
    opened: Floats
    closed: Floats
    liquidated: Floats
    tracked: Floats
    open_interest: Floats
    measure: Measure = "notional"

    @property
    def coverage(self) -> Floats:
        """Share of the open interest whose liquidation price is known, shape (2, columns). [-]"""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.open_interest > 0, self.tracked / self.open_interest, 0.0)
