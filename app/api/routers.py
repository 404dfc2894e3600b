"""All routes for programs."""

from fastapi import APIRouter

from app.api.answers import Answers
from app.api.heatmap import heatmap_router
from app.heatmaps import StoredHeatmaps


def api_routers(heatmaps: StoredHeatmaps, answers: Answers) -> list[APIRouter]:
    """Return the routes for programs, over what a database holds."""
    return [heatmap_router(heatmaps, answers)]
