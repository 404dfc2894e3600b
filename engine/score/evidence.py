"""How certain a figure is, and the verdict that it allows."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.kernels import Floats

CONFIDENCE = 0.95
"""Of intervals. [-]"""
RESAMPLES = 1000
"""Drawn for an interval."""
FEWEST_EVENTS = 30
"""Fewer events allow no verdict."""
NOTHING_CROSSED = "the price crossed no level of the map"
"""Why a map whose levels the price never reached gets no verdict."""

_FEWEST_DAYS = 10  # fewer can't be drawn from; hours are drawn instead

Answer = Literal["yes", "not shown", "no verdict"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and the interval that holds it with `CONFIDENCE`."""

    value: float
    low: float
    high: float

    @property
    def is_above_zero(self) -> bool:
        """Whether the whole interval is above zero."""
        return self.low > 0.0

    @property
    def is_below_zero(self) -> bool:
        """Whether the whole interval is below zero."""
        return self.high < 0.0

    def __str__(self) -> str:
        """Return ``+0.32 [+0.20, +0.40]``."""
        return f"{self.value:+.3g} [{self.low:+.3g}, {self.high:+.3g}]"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer, in one word and in a sentence."""

    answer: Answer
    words: str

    def __str__(self) -> str:
        """Return the sentence."""
        return self.words


def no_verdict(question: str, reason: str) -> Verdict:
    """Return the verdict that a question can't be answered: ``Knows …: no verdict, …``."""
    return Verdict("no verdict", f"{question}: no verdict, {reason}.")


def judge(
    question: str, gain: Estimate, over_geometry: Estimate | None = None, worse: str = ""
) -> Verdict:
    """Return whether a gain is shown: only if its interval is above zero.

    Parameters
    ----------
    question : str
        What a yes would mean: ``Knows more than where price and volume were``.
    gain : Estimate
        Zero where the map adds nothing.
    over_geometry : Estimate, optional
        Where the gain isn't over the map of geometry: how much of it that map doesn't have too.
    worse : str, optional
        Added where the whole interval is below zero.
    """
    if gain.is_above_zero:
        alike = over_geometry is not None and not over_geometry.is_above_zero
        addition = ", but no more than a map of where the price was" if alike else ""
        return Verdict("yes", f"{question}: yes{addition}.")
    if gain.is_below_zero and worse:
        return Verdict("not shown", f"{question}: not shown. {worse}")
    return Verdict("not shown", f"{question}: not shown.")


@lru_cache(maxsize=8)
def resampled(count: int, block: int = 1, draws: int = RESAMPLES) -> NDArray[np.float32]:
    """Return how often each of ``count`` rows is drawn in a block bootstrap, shape (draws, count).

    Parameters
    ----------
    count : int
        Rows, in order of time.
    block : int
        Consecutive rows that are drawn together, the last row being followed by the first.
    draws : int
        How many samples.

    Notes
    -----
    The seed is fixed: the same data give the same interval, and figures of the same rows are
    compared over the same draws.
    """
    from arch.bootstrap import CircularBlockBootstrap  # imports pandas, which serving never needs

    rows = np.arange(count)
    sampler = CircularBlockBootstrap(min(block, count), rows, seed=np.random.default_rng(8))
    weights = np.empty((draws, count), np.float32)
    for draw, (drawn, _) in enumerate(sampler.bootstrap(draws)):
        weights[draw] = np.bincount(drawn[0], minlength=count)
    weights.flags.writeable = False
    return weights


def interval(value: float, drawn: Floats) -> Estimate:
    """Return a figure with the interval in which `CONFIDENCE` of its resamples lie."""
    tail = 50.0 * (1.0 - CONFIDENCE)
    kept = drawn[np.isfinite(drawn)]
    if not kept.size:
        return Estimate(value, float("-inf"), float("inf"))
    low, high = np.percentile(kept, [tail, 100.0 - tail])
    return Estimate(value, float(low), float(high))


def mean_of_rows(values: Floats, block: int) -> Estimate:
    """Return the mean of rows in order of time, ``block`` consecutive ones drawn together."""
    drawn = resampled(values.size, block) @ values / values.size
    return interval(float(values.mean()), np.asarray(drawn, np.float64))


def mean_by_time(values: Floats, weights: Floats, times: NDArray[np.datetime64]) -> Estimate:
    """Return the weighted mean of events, whose days are drawn, or hours where days are few.

    Parameters
    ----------
    values, weights : ndarray, shape (n,)
        What was measured at each event, and how much it counts.
    times : ndarray of datetime64, shape (n,)
        When it happened. [UTC]
    """
    return ratio_by_time(values * weights, weights, times)


def ratio_by_time(above: Floats, below: Floats, times: NDArray[np.datetime64]) -> Estimate:
    """Return Σ above / Σ below of events, whose days are drawn, or hours where days are few."""
    block = blocks_of(times)
    count = int(block.max()) + 1
    sums = np.stack([np.bincount(block, part, count) for part in (above, below)], axis=1)
    drawn = resampled(count) @ sums
    with np.errstate(invalid="ignore", divide="ignore"):
        return interval(float(above.sum() / below.sum()), drawn[:, 0] / drawn[:, 1])


def blocks_of(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Return each event's day, or hour where there are fewer than ten days, counted from 0."""
    days, day = np.unique(times.astype("datetime64[D]"), return_inverse=True)
    if days.size >= _FEWEST_DAYS:
        return day
    return np.unique(times.astype("datetime64[h]"), return_inverse=True)[1]
