"""Compare what the browser shows with a picture that was looked at and found good."""

import os
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from pixelmatch.contrib.PIL import pixelmatch

BASELINE = Path(__file__).parent / "baseline"
FAILED = Path(__file__).parent / "failed"
ALLOWED = 0.001

# Fonts are there, and two frames have been drawn since. The small print names the database, and
# no two databases have the same name.
STILL = """
document.getElementById("provenance").style.visibility = "hidden";
const done = arguments[arguments.length - 1];
document.fonts.ready.then(() => requestAnimationFrame(() => requestAnimationFrame(done)));
"""


def assert_looks_as_before(page, name, size=(1200, 720)):
    """Compare the page with ``baseline/<name>.png``; on failure keep both and their difference.

    With ``UPDATE_BASELINE=1`` in the environment the page becomes the baseline.
    """
    now = _screenshot(page, size)
    path = BASELINE / f"{name}.png"
    if os.environ.get("UPDATE_BASELINE") == "1":
        path.parent.mkdir(exist_ok=True)
        now.convert("RGB").save(path, optimize=True)
        return
    if not path.exists():
        pytest.fail(f"{path} is missing; make it with UPDATE_BASELINE=1 and look at it")
    before = Image.open(path).convert("RGBA")
    if before.size != now.size:
        _keep(name, now=now, before=before)
        pytest.fail(f"the page is {now.size}, but {path.name} is {before.size}; see {FAILED}")
    difference = Image.new("RGBA", now.size)
    share = pixelmatch(before, now, difference, threshold=0.1) / (now.width * now.height)
    if share > ALLOWED:
        _keep(name, now=now, before=before, difference=difference)
        pytest.fail(f"{share:.2%} of the pixels differ from {path.name}; see {FAILED}")


def _screenshot(page, size):
    width, height = size
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
    )
    try:
        page.wait(lambda: page.run("return plot()._fullLayout.width === arguments[0]", width))
        page.driver.execute_async_script(STILL)
        return Image.open(BytesIO(page.driver.get_screenshot_as_png())).convert("RGBA")
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def _keep(name, **pictures):
    FAILED.mkdir(exist_ok=True)
    for kind, picture in pictures.items():
        picture.save(FAILED / f"{name}-{kind}.png")
