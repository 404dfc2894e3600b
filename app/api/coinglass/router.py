"""All routes of the interface."""

from fastapi import APIRouter

from app.api.answers import Answers
from app.api.coinglass.envelope import FAILURES, EnvelopeRoute
from app.api.coinglass.heatmap import add_heatmap_routes
from app.api.coinglass.history import add_history_routes
from app.api.coinglass.levels import add_level_routes
from app.api.coinglass.lists import add_list_routes
from app.api.coinglass.orders import add_order_route
from app.heatmaps import StoredHeatmaps

PREFIX = "/api/futures/liquidation"


def coinglass_router(heatmaps: StoredHeatmaps, answers: Answers) -> APIRouter:
    """Return the routes in CoinGlass's shapes, over what a database holds."""
    router = APIRouter(
        prefix=PREFIX, tags=["CoinGlass v4"], responses=FAILURES, route_class=EnvelopeRoute
    )
    for add_routes in (
        add_heatmap_routes,
        add_level_routes,
        add_history_routes,
        add_order_route,
        add_list_routes,
    ):
        add_routes(router, heatmaps, answers)
    return router
