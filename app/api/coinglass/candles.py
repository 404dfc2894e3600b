"""One candle for each column of a map, so that a column's number is its candle's."""

import numpy as np

from app.api.coinglass.texts import number_texts
from components.view import Candles
from engine.kernels import Floats
from engine.market import Times
from ingest.columns import Arrays

Candlestick = tuple[int, str, str, str, str, str]


def column_candles(
    candles: Candles, volumes: Arrays, times: Times
) -> tuple[list[Candlestick], list[int]]:
    """Return a candle for each column, and the numbers of the columns that have none of their own.

    Parameters
    ----------
    candles : Candles
        At least one; each at the start of its column.
    volumes : dict of ndarray, shape (n,)
        ``time`` and ``quote_volume`` of candles as fine as the columns, or finer.
    times : ndarray of datetime64[us], shape (columns + 1,)
        Edges of the columns. [UTC]

    Notes
    -----
    Where data are missing the price of the candle before stands still, of the first one before
    any, and nothing is traded.
    """
    columns = times.size - 1
    own = np.full(columns, -1)
    own[np.searchsorted(times, candles.open_time)] = np.arange(candles.open_time.size)
    latest = np.maximum.accumulate(own)
    still = np.where(latest < 0, candles.open[0], candles.close[latest])
    prices = [
        number_texts(np.where(own < 0, still, part[own]))
        for part in (candles.open, candles.high, candles.low, candles.close)
    ]
    volume = number_texts(np.round(_per_column(volumes, times), 4))
    seconds = times[:-1].astype("datetime64[s]").astype(np.int64).tolist()
    return list(zip(seconds, *prices, volume, strict=True)), np.flatnonzero(own < 0).tolist()


def _per_column(volumes: Arrays, times: Times) -> Floats:
    columns = times.size - 1
    column = np.searchsorted(times, volumes["time"], "right") - 1
    within = (column >= 0) & (column < columns)
    volume = np.bincount(column[within], volumes["quote_volume"][within], columns)
    return volume.astype(np.float64)  # integers, where there is nothing
