"""How far the maps of several models agree."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from app.api.answers import Answer, Answers
from app.api.errors import RESPONSES
from app.api.formats import iso
from app.api.parameters import SpanQuery, known_exchanges
from app.comparison import Comparison, compare_models, known_models
from app.heatmaps import StoredHeatmaps
from app.request import HeatmapRequest
from engine.models import MODELS
from engine.version import engine_version

_WINDOW = timedelta(days=7)


class CompareQuery(SpanQuery):
    """Models on one market and window."""

    models: str = Field(
        default="two-speed,turnover,time-evolving",
        max_length=300,
        description=f"two or more, separated by commas: {', '.join(MODELS)}",
    )


class Distance(BaseModel):
    """Modelled notional within a distance of the price, means over the moments. [quote]"""

    distance: float
    below: list[float] = Field(description="of the first map, and of the second")
    above: list[float]


class ComparedPair(BaseModel):
    """How far two maps agree."""

    first: str
    second: str
    moments: int
    rank_correlation: float | None = Field(
        description="Spearman's, of price rows within 10 % of the price; null where a map is even"
    )
    top_overlap: float | None = Field(
        description="share of the fullest tenth of these rows that both have; 0.1 is chance, null "
        "where a map is even"
    )
    within: list[Distance] = Field(description="within 1, 2 and 5 % of the price")


class ComparedMeta(BaseModel):
    """What was compared."""

    symbol: str
    exchanges: list[str]
    start_time: str
    end_time: str
    data_watermark: str
    engine_version: str


class Compared(BaseModel):
    """How far models agree, and what each is known to know."""

    data: list[ComparedPair]
    scores: dict[str, str] = Field(description="each model's last stored score in one line")
    meta: ComparedMeta


def compare_router(heatmaps: StoredHeatmaps, answers: Answers) -> APIRouter:
    """Return the route that compares models."""
    router = APIRouter(prefix="/liquidations", tags=["realised"], responses=RESPONSES)

    @router.get(
        "/compare-models",
        summary="How far the maps of models agree",
        responses={200: {"model": Compared}},
    )
    async def compare(request: Request, query: Annotated[CompareQuery, Query()]) -> Response:
        """Compare each two models: ranks and fullest rows near the price, and amounts around it.

        That two models agree makes neither right: `GET /liquidations/score` measures that.
        """

        def find() -> Answer:
            return _compare(heatmaps, query)

        # Scores are kept while the data stay as they are.
        state = f"{heatmaps.watermark(query.symbol)} {heatmaps.last_scored(query.symbol)}"
        return await answers.reply(request, query, state, find)

    return router


def _compare(heatmaps: StoredHeatmaps, query: CompareQuery) -> Answer:
    exchanges = known_exchanges(query.names, heatmaps)
    stop = query.end_time or heatmaps.extent(query.symbol, exchanges)[1]
    request = HeatmapRequest(
        symbol=query.symbol,
        exchanges=exchanges,
        start=query.start_time or stop - _WINDOW,
        stop=stop,
    )
    found = compare_models(heatmaps, request, known_models(query.models))
    return Answer(
        document=lambda: (
            document(found)
            | {
                "meta": {
                    "symbol": found.symbol,
                    "exchanges": list(found.exchanges),
                    "start_time": iso(found.start),
                    "end_time": iso(found.stop),
                    "data_watermark": heatmaps.watermark(query.symbol),
                    "engine_version": engine_version(),
                }
            }
        )
    )


def document(found: Comparison) -> dict[str, Any]:
    """Return pairs and scores as `Compared` describes them."""
    return {
        "data": [
            {
                "first": pair.first,
                "second": pair.second,
                "moments": pair.agreement.moments,
                "rank_correlation": pair.agreement.rank_correlation,
                "top_overlap": pair.agreement.top_overlap,
                "within": [
                    {"distance": w.distance, "below": list(w.below), "above": list(w.above)}
                    for w in pair.agreement.within
                ],
            }
            for pair in found.pairs
        ],
        "scores": found.scores,
    }
