"""All routes for programs."""

from fastapi import APIRouter

from app.api.answers import Answers
from app.api.coinglass.router import coinglass_router
from app.api.compare import compare_router
from app.api.exchanges import exchange_health_router
from app.api.heatmap import heatmap_router
from app.api.history import history_router
from app.api.levels import levels_router
from app.api.live_metrics import LiveMetrics
from app.api.max_pain import max_pain_router
from app.api.moment import map_router
from app.api.operations import operations_router
from app.api.orders import orders_router
from app.api.score import score_router
from app.api.stored import stored_router
from app.cache_stats import CacheStats
from app.exchange_states import ExchangeState, ExchangeStates, States
from app.heatmaps import StoredHeatmaps
from app.live.feed import LiveFeed


def api_routers(
    heatmaps: StoredHeatmaps,
    answers: Answers,
    states: States | None = None,
    feed: LiveFeed | None = None,
) -> list[APIRouter]:
    """Return the routes for programs, over what a database holds.

    Parameters
    ----------
    heatmaps : StoredHeatmaps
        What the database holds.
    answers : Answers
        Keeps what is answered.
    states : callable, optional
        Tells how connections to exchanges are; else what the database says of them.
    feed : LiveFeed, optional
        To be told of in the metrics.
    """

    def stored_states() -> list[ExchangeState]:
        return ExchangeStates(heatmaps.store).states()

    states = states or stored_states

    def caches() -> list[CacheStats]:
        return [answers.stats(), *heatmaps.caches()]

    return [
        heatmap_router(heatmaps, answers),
        map_router(heatmaps, answers),
        max_pain_router(heatmaps, answers),
        levels_router(heatmaps, answers),
        history_router(heatmaps, answers),
        orders_router(heatmaps, answers),
        score_router(heatmaps, answers),
        compare_router(heatmaps, answers),
        stored_router(heatmaps, answers),
        coinglass_router(heatmaps, answers),
        exchange_health_router(states),
        operations_router(caches, heatmaps.state, LiveMetrics(states, feed)),
    ]
