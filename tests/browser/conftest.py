"""One browser and one server for all tests that only read; each test opens its own page."""

import os
import shutil
import threading
from pathlib import Path

import pytest
import uvicorn
from dash.testing.browser import Browser
from dash.testing.wait import until
from selenium.webdriver.chrome.options import Options

from app.heatmaps import StoredHeatmaps
from app.main import create_app
from app.server import address, listen
from app.settings import Settings
from ingest.store import Store

from .fake_heatmaps import FakeHeatmaps
from .page import Page

HERE = Path(__file__).parent
ARGUMENTS = (
    "--headless=new",
    "--window-size=1440,900",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
    "--disable-lcd-text",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--no-first-run",
    "--lang=en-US",
)

# Whatever fonts a machine has, the pictures are written in the one that all of them can have.
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>/usr/share/fonts/truetype/dejavu</dir>
  <cachedir>{cache}</cachedir>
  <config><rescan><int>0</int></rescan></config>
</fontconfig>
"""


# The longest first, so that no process still works through one of them when the others are done.
LONGEST = ("live", "controls", "address", "data_page", "exchanges_live")


def pytest_collection_modifyitems(items):
    ours = [item for item in items if HERE in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.browser)
    order = [HERE / f"test_{name}.py" for name in LONGEST]
    ours.sort(key=lambda item: order.index(item.path) if item.path in order else len(order))
    items[:] = [item for item in items if HERE not in item.path.parents] + ours


@pytest.fixture(scope="session")
def chromium():
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found and shutil.which("chromedriver"):
        return found
    missing = "the browser tests need Chromium and chromedriver; scripts/test says how"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def browser(chromium, tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    fonts = folder / "fonts.conf"
    fonts.write_text(FONTS.format(cache=folder / "fonts"))
    options = Options()
    options.binary_location = chromium
    for argument in ARGUMENTS:
        options.add_argument(argument)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FONTCONFIG_FILE", str(fonts))
        with Browser("chrome", headless=True, options=[options], percy_run=False) as browser:
            browser.driver.implicitly_wait(0)
            yield browser


@pytest.fixture(scope="session")
def serve():
    """Serve heatmaps on a free port; return the address. Options are those of `create_app`."""
    running = []

    def start(heatmaps, **options):
        bound = listen("127.0.0.1", 0)
        config = uvicorn.Config(create_app(Settings(), heatmaps, **options), log_config=None)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        running.append((server, thread, bound))
        until(lambda: server.started, timeout=180)
        return address(bound)

    yield start
    for server, thread, bound in running:
        server.should_exit = True
        thread.join(180)
        bound.close()


@pytest.fixture(scope="session")
def fake_server(serve):
    return serve(FakeHeatmaps())


@pytest.fixture(scope="session")
def demo_server(chromium, serve, demo_database, tmp_path_factory):
    """Serve a copy of the demo market."""
    folder = tmp_path_factory.mktemp("demo")
    shutil.copy(demo_database, folder / "demo.duckdb")
    settings = Settings(database=folder / "demo.duckdb", cache_dir=folder / "cache")
    with Store.open(settings.database) as store:
        heatmaps = StoredHeatmaps(store, settings)
        yield serve(heatmaps)
        heatmaps.close()


@pytest.fixture
def page(browser, fake_server):
    return Page(browser, fake_server)


@pytest.fixture
def new_page(browser):
    """Return a page of another server."""
    return lambda server: Page(browser, server)
