"""All routes of the interface."""

from fastapi import APIRouter

from app.api.answers import Answers
from app.api.coinglass.envelope import FAILURES, EnvelopeRoute
from app.api.coinglass.heatmap import add_heatmap_routes
from app.heatmaps import StoredHeatmaps

PREFIX = "/api/futures/liquidation"


def coinglass_router(heatmaps: StoredHeatmaps, answers: Answers) -> APIRouter:
    """Return the routes in CoinGlass's shapes, over what a database holds."""
    router = APIRouter(
        prefix=PREFIX, tags=["CoinGlass v4"], responses=FAILURES, route_class=EnvelopeRoute
    )
    add_heatmap_routes(router, heatmaps, answers)
    return router
