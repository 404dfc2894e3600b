"""What a model's map is known to know, measured on what is stored."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from app.api.answers import Answer, Answers
from app.api.errors import RESPONSES
from app.api.parameters import MarketQuery, ModelQuery, Time, known_exchanges
from app.errors import NoData
from app.heatmaps import StoredHeatmaps
from app.score_record import ScoreRecord, badge
from app.scores import Scores, score_version
from ingest.coverage import MarketCoverage

UNKNOWN_NUMBERS = ("Band", "Estimate", "Factor", "HitRate")
"""Schemas whose numbers may be null: what could not be measured."""

_TIME = "ISO 8601 or Unix milliseconds; UTC where it names no zone"


class ScoreQuery(MarketQuery, ModelQuery):
    """A model's map of a symbol over a period."""

    start_time: Time | None = Field(
        default=None, description=f"{_TIME}; 90 days before the end if left out"
    )
    end_time: Time | None = Field(
        default=None, description=f"{_TIME}; nothing later is used; end of the data if left out"
    )


class Score(ScoreRecord):
    """One market's score, and the same in one line."""

    badge: str = Field(description="what the map knows beyond price and volume, in one line")


class Scored(BaseModel):
    """The score of each market that could be scored, and why others could not."""

    data: list[Score]
    refused: list[str] = Field(description="why other markets can't be scored, and what to load")


def score_router(heatmaps: StoredHeatmaps, answers: Answers) -> APIRouter:
    """Return the route of scores."""
    router = APIRouter(prefix="/liquidations", tags=["realised"], responses=RESPONSES)

    @router.get(
        "/score",
        summary="What a map knows of liquidations and positions",
        responses={200: {"model": Scored}},
    )
    async def score(request: Request, query: Annotated[ScoreQuery, Query()]) -> Response:
        """Compare a map as of before with what happened then, exchange by exchange.

        Four lines, each beside maps that know only where price and volume were, with intervals and
        verdicts; `docs/scorecard.md` explains them. It takes some seconds a market. Without times
        it is the score of the latest data, at most an hour old, which is kept for the page.
        """

        def find() -> Answer:
            return _score(heatmaps, query)

        state = f"{heatmaps.watermark(query.symbol)} {score_version()}"
        return await answers.reply(request, query, state, find)

    return router


def _score(heatmaps: StoredHeatmaps, query: ScoreQuery) -> Answer:
    scores = Scores(heatmaps.store, heatmaps.warmup_days)
    exchanges = known_exchanges(query.names, heatmaps)
    found: list[ScoreRecord] = []
    refused: list[str] = []
    for market in scores.markets(query.symbol, exchanges, query):
        try:
            found.append(_of_market(scores, market, query))
        except NoData as e:
            refused.append(str(e))
    if not found:
        raise NoData(" ".join(refused))
    return Answer(document=lambda: {"data": list(_documents(found)), "refused": refused})


def _of_market(scores: Scores, market: MarketCoverage, query: ScoreQuery) -> ScoreRecord:
    if query.start_time is None and query.end_time is None:
        return scores.current(market, query)
    period = scores.load(market, query.start_time, query.end_time, query)
    return scores.score(period, query)


def _documents(records: list[ScoreRecord]) -> Iterator[dict[str, Any]]:
    for record in records:
        yield record.model_dump(mode="json") | {"badge": badge(record)}


def allow_null(schemas: dict[str, Any]) -> None:
    """Let numbers of a description's schemas be null where they may be unknown."""
    for name in UNKNOWN_NUMBERS:
        for field in schemas.get(name, {}).get("properties", {}).values():
            if field.get("type") == "number":
                field["anyOf"] = [{"type": field.pop("type")}, {"type": "null"}]
