"""All routes for programs."""

from fastapi import APIRouter

from app.api.answers import Answers
from app.api.coinglass.router import coinglass_router
from app.api.heatmap import heatmap_router
from app.api.history import history_router
from app.api.levels import levels_router
from app.api.max_pain import max_pain_router
from app.api.moment import map_router
from app.api.operations import operations_router
from app.api.orders import orders_router
from app.api.stored import stored_router
from app.cache_stats import CacheStats
from app.heatmaps import StoredHeatmaps


def api_routers(heatmaps: StoredHeatmaps, answers: Answers) -> list[APIRouter]:
    """Return the routes for programs, over what a database holds."""

    def caches() -> list[CacheStats]:
        return [answers.stats(), *heatmaps.caches()]

    return [
        heatmap_router(heatmaps, answers),
        map_router(heatmaps, answers),
        max_pain_router(heatmaps, answers),
        levels_router(heatmaps, answers),
        history_router(heatmaps, answers),
        orders_router(heatmaps, answers),
        stored_router(heatmaps, answers),
        coinglass_router(heatmaps, answers),
        operations_router(caches, heatmaps.state),
    ]
