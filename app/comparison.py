"""How far maps of one market agree: models with each other, or with a saved CoinGlass heatmap."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from app.assumptions import Assumptions
from app.errors import NoData
from app.heatmaps import StoredHeatmaps
from app.request import HeatmapRequest
from app.score_record import badge
from app.scores import Scores
from app.stored_book import time64
from app.validation import sentence
from app.views import Maps
from components.view import Candles
from engine.kernels import Floats
from engine.market import Times
from engine.models import DEFAULT_MODEL, MODELS
from engine.score.agreement import REACH, Agreement, compare

MOMENTS = 42
"""At most so many columns are compared."""
COINGLASS = "CoinGlass"
"""What the map of a file is called."""

_ROWS = 1000
_MARGIN = 1.0 + 1.2 * REACH  # rows are needed this far around the price


@dataclass(frozen=True, slots=True)
class Pair:
    """Two maps and how far they agree."""

    first: str
    second: str
    agreement: Agreement


@dataclass(frozen=True, slots=True)
class Comparison:
    """Maps of one market over one window.

    Attributes
    ----------
    symbol : str
        The market, of ``exchanges`` together.
    exchanges : tuple of str
        Those of the first map.
    start, stop : datetime64[us]
        Window of the columns that were compared. [UTC]
    pairs : tuple of Pair
        Each two maps.
    scores : dict of str to str
        The last stored score of each model in one line.
    """

    symbol: str
    exchanges: tuple[str, ...]
    start: np.datetime64
    stop: np.datetime64
    pairs: tuple[Pair, ...]
    scores: dict[str, str]


def known_models(text: str) -> tuple[str, ...]:
    """Return the models of a list separated by commas, at least one; all if it is empty."""
    names = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    for name in names:
        Assumptions(model=name)  # says which models there are
    return names or tuple(MODELS)


def compare_models(
    heatmaps: StoredHeatmaps,
    request: HeatmapRequest,
    models: Sequence[str],
    progress: Callable[[str], None] = lambda _: None,
) -> Comparison:
    """Return how far the maps of models agree.

    Parameters
    ----------
    heatmaps : StoredHeatmaps
        Where the maps come from.
    request : HeatmapRequest
        Market and window.
    models : sequence of str
        At least two names.
    progress : callable, optional
        Called with each model before it is computed.

    Raises
    ------
    NoData
        If nothing is stored for it, or a model lacks what it needs.
    ValueError
        If there is nothing to compare.
    """
    if len(models) < 2:
        raise ValueError(f"models must name two or more of {', '.join(MODELS)}, but has one")
    request = request.model_copy(update={"columns": MOMENTS, "buckets": _ROWS})
    candles = heatmaps.view(request.model_copy(update={"model": models[0]})).candles
    low, high = float(candles.low.min()) / _MARGIN, float(candles.high.max()) * _MARGIN
    request = request.model_copy(update={"price_low": low, "price_high": high})
    found: dict[str, Maps] = {}
    for model in models:
        progress(model)
        found[model] = heatmaps.maps(request.model_copy(update={"model": model}))
    whole = {model: maps.whole for model, maps in found.items()}
    times, edges = whole[models[0]].times, whole[models[0]].edges
    price = _closes(candles, times)
    amounts = {model: each.active.sum(axis=0) for model, each in whole.items()}
    return Comparison(
        symbol=request.symbol,
        exchanges=tuple(found[models[0]].parts),
        start=times[0],
        stop=times[-1],
        pairs=tuple(
            Pair(first, second, compare(amounts[first], amounts[second], edges, price))
            for first, second in combinations(models, 2)
        ),
        scores=_scores(heatmaps, request, models),
    )


def _closes(candles: Candles, times: Times) -> Floats:
    """Return the last price at the end of each column, the first one's before it. [quote]"""
    last = np.searchsorted(candles.open_time, times[1:], side="left") - 1
    return np.asarray(candles.close[np.maximum(last, 0)])


def _scores(
    heatmaps: StoredHeatmaps, request: HeatmapRequest, models: Sequence[str]
) -> dict[str, str]:
    scores, said = Scores(heatmaps.store, heatmaps.warmup_days), {}
    for model in models:
        kept = scores.last(request.symbol, request.exchanges, Assumptions(model=model))
        said[model] = "; ".join(f"{one.exchange}: {badge(one)}" for one in kept) or badge(None)
    return said


# CoinGlass's saved answers


class _Data(BaseModel):
    """What of their heatmap is read: v4's shape."""

    model_config = ConfigDict(extra="ignore")

    y_axis: list[float]
    liquidation_leverage_data: list[tuple[int, int, float]]
    price_candlesticks: list[tuple[float, float, float, float, float, float]]


@dataclass(frozen=True, slots=True, eq=False)
class CoinGlassMap:
    """A heatmap of CoinGlass, as saved.

    Attributes
    ----------
    start : ndarray of datetime64[us], shape (n,)
        Starts of the columns. [UTC]
    edges : ndarray, shape (rows + 1,)
        Edges of the price rows. [quote]
    amount : ndarray, shape (rows, n)
        What they draw. [USD]
    close : ndarray, shape (n,)
        Last price of each column. [quote]
    """

    start: Times
    edges: Floats
    amount: Floats
    close: Floats


def read_coinglass(path: Path) -> CoinGlassMap:
    """Return a saved answer of CoinGlass's heatmap (v4): the whole of it, or its ``data`` alone.

    Raises
    ------
    ValueError
        If the file holds something else; the message says what.
    """
    try:
        answer = json.loads(path.read_text(encoding="utf-8"))
        data = _Data.model_validate(answer.get("data", answer) if isinstance(answer, dict) else {})
    except OSError as e:
        raise ValueError(f"{path}: {e.strerror}") from e
    except ValidationError as e:
        raise ValueError(f"{path} is not a CoinGlass heatmap (v4): {sentence(e)}") from e
    except ValueError as e:
        raise ValueError(f"{path} must be JSON, but is not: {e}") from e
    middles = np.array(data.y_axis)
    candles = np.array(data.price_candlesticks).reshape(-1, 6)
    steps, seconds = np.diff(middles), np.diff(candles[:, 0])
    if middles.size < 10 or (steps <= 0.0).any() or not seconds.size or (seconds <= 0.0).any():
        raise ValueError(
            f"{path} is not a CoinGlass heatmap (v4): y_axis must hold ten or more prices, and "
            "price_candlesticks two or more times, both ascending"
        )
    amount = np.zeros((middles.size, len(candles)))
    for column, row, held in data.liquidation_leverage_data:
        if not (0 <= column < amount.shape[1] and 0 <= row < amount.shape[0]):
            raise ValueError(
                f"{path} is not a CoinGlass heatmap (v4): a cell names column {column} and price "
                f"{row} of {amount.shape[1]} and {amount.shape[0]}"
            )
        amount[row, column] += held
    between = (middles[1:] + middles[:-1]) / 2.0
    edges = np.concatenate(
        ([middles[0] - steps[0] / 2.0], between, [middles[-1] + steps[-1] / 2.0])
    )
    start = (candles[:, 0] * 1e6).astype("int64").astype("datetime64[us]")
    return CoinGlassMap(start, edges, amount, candles[:, 4])


def compare_coinglass(
    heatmaps: StoredHeatmaps,
    theirs: CoinGlassMap,
    symbol: str,
    exchanges: tuple[str, ...],
    models: Sequence[str] = (DEFAULT_MODEL,),
    progress: Callable[[str], None] = lambda _: None,
) -> Comparison:
    """Return how far the maps of models agree with a saved one of CoinGlass, on its own rows.

    Raises
    ------
    NoData
        If nothing is stored of the symbol in the file's window, or none of it can be compared.
    """
    step = np.diff(theirs.start).min()
    request = HeatmapRequest(
        symbol=symbol,
        exchanges=exchanges,
        start=_aware(theirs.start[0]),
        stop=_aware(theirs.start[-1] + step),
        columns=theirs.start.size,
        buckets=_ROWS,
        price_low=max(float(theirs.edges[0]), 0.0),
        price_high=float(theirs.edges[-1]),
    )
    span = time64(request.start), time64(request.stop)
    pairs: list[Pair] = []
    names: tuple[str, ...] = ()
    for model in models:
        progress(model)
        maps = heatmaps.maps(request.model_copy(update={"model": model}))
        whole = maps.whole
        # The candle that ends with our column, or the one in which it ends.
        column = np.searchsorted(theirs.start, whole.times[1:], side="left") - 1
        known = np.flatnonzero((column >= 0) & (whole.times[1:] <= span[1]))
        if not known.size:
            raise NoData(
                f"No column of {symbol}'s map ends within the file's window, {_minute(span[0])} to "
                f"{_minute(span[1])} UTC."
            )
        chosen = known[np.linspace(0, known.size - 1, min(MOMENTS, known.size)).astype(int)]
        ours = _on_rows(whole.active.sum(axis=0)[:, chosen], whole.edges, theirs.edges)
        their = column[chosen]
        agreement = compare(ours, theirs.amount[:, their], theirs.edges, theirs.close[their])
        pairs.append(Pair(model, COINGLASS, agreement))
        names = tuple(maps.parts)
    return Comparison(symbol, names, *span, tuple(pairs), _scores(heatmaps, request, models))


def _on_rows(amount: Floats, edges: Floats, rows: Floats) -> Floats:
    """Return amounts by price on other rows: each bucket's spread evenly over its prices."""
    sums = np.concatenate((np.zeros((1, amount.shape[1])), np.cumsum(amount, axis=0)))
    at = np.stack([np.interp(rows, edges, column) for column in sums.T], axis=1)
    return np.asarray(np.diff(at, axis=0))


def _minute(time: np.datetime64) -> str:
    return str(time.astype("datetime64[m]")).replace("T", " ")


def _aware(time: np.datetime64) -> datetime:
    moment: datetime = time.astype("datetime64[us]").item()
    return moment.replace(tzinfo=UTC)
