"""Where a market's level book begins."""

from datetime import UTC, datetime, timedelta

from engine.models import DEFAULT_MODEL, MODELS
from engine.parameters import Parameters
from ingest.coverage import MarketCoverage

LONGEST_BOOK = 600_000
"""Bars of a book at most; a longer history is computed from the warm-up before the window on."""


_DEFAULT = MODELS[DEFAULT_MODEL].parameters


def mapped_from(market: MarketCoverage, assumed: Parameters | None) -> datetime:
    """Return the first moment of a market that a model can map; of its candles if none is meant."""
    if assumed is None or not assumed.follows_interest:
        return market.first
    assert market.open_interest_first is not None
    return max(market.first, market.open_interest_first - market.intervals[0])


def book_start(
    market: MarketCoverage, window: datetime, warmup_days: int, assumed: Parameters = _DEFAULT
) -> datetime:
    """Return where a book begins: with the data, or with the warm-up if they are too long.

    Parameters
    ----------
    market : MarketCoverage
        A market that has what the model needs.
    window : datetime
        Where what is asked of the book begins.
    warmup_days : int
        Days computed before the window, in histories too long to compute whole.
    assumed : Parameters
        The model's; the default one's if left out.
    """
    first = mapped_from(market, assumed)
    if (market.last - first) / market.intervals[0] <= LONGEST_BOOK:
        return first
    return max(first, _month_before(window, warmup_days))


def _month_before(moment: datetime, days: int) -> datetime:
    """Return the start of the month, UTC, in which the warm-up of ``days`` begins."""
    warm = moment.astimezone(UTC) - timedelta(days=days)
    return warm.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
