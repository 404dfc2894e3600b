"""What happens when a reader moves a control: thin edges between Dash and plain functions."""

from concurrent.futures import ThreadPoolExecutor

from dash import Dash

from app.callbacks.address import register_address
from app.callbacks.browser import register_browser_functions
from app.callbacks.data_page import register_data_page
from app.callbacks.header import register_header
from app.callbacks.live import register_live
from app.callbacks.picture import register_picture
from app.callbacks.profile import register_profile_editor
from app.callbacks.reading import register_reading
from app.exchange_states import States
from app.heatmaps import Heatmaps
from app.jobs import Jobs
from app.stored_data import StoredData


def register_callbacks(
    app: Dash,
    heatmaps: Heatmaps,
    pool: ThreadPoolExecutor,
    *,
    stored: StoredData,
    states: States | None = None,
    jobs: Jobs | None = None,
    collecting: bool = False,
) -> None:
    """Connect the pages' controls to what they show."""
    register_header(app)
    register_address(app, heatmaps, pool)
    register_browser_functions(app)
    register_picture(app, heatmaps, pool, collecting=collecting)
    register_live(app, heatmaps, pool, states=states, collecting=collecting)
    register_reading(app, heatmaps, pool)
    register_profile_editor(app, pool)
    register_data_page(app, pool, stored, states=states, jobs=jobs, collecting=collecting)
