"""Time from a click on a selector to the new picture, in a headless browser on a running server.

Run with ``python -m benchmarks.page [--database PATH]``; prints JSON. The demo market is served,
and built first where there is none.
"""

import argparse
import json
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from benchmarks.served import served

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
WINDOWS = ("14d", "30d", "3d", "48h", "24h")
DEADLINE = 120

# From the click to the event by which Plotly says that the new figure has been drawn.
CLICK = """
const [name, value, done] = arguments;
const plot = document.querySelector("#heatmap .js-plotly-plot");
const start = performance.now();
plot.once("plotly_afterplot", () => {
  const { z } = plot._fullData[0];
  done([(performance.now() - start) / 1000, z[0].length, z.length]);
});
const control = document.getElementById(name);
const input = control.querySelector(`input[value="${value}"]`);
if (input) input.click();
else {
  Object.getOwnPropertyDescriptor(HTMLSelectElement.prototype, "value").set.call(control, value);
  control.dispatchEvent(new Event("change", { bubbles: true }));
}
"""
IDLE = """
const frame = document.getElementById("frame");
const plot = document.querySelector("#heatmap .js-plotly-plot");
return Boolean(plot && plot.data.length && !frame.classList.contains("is-waiting"));
"""


def page_selector(database: str | None = None) -> dict[str, object]:
    """Measure changes of the window, each to a picture that was never computed before.

    Returns
    -------
    dict
        ``seconds``, the median; ``slowest``; ``runs``; ``columns`` and ``buckets`` of the largest
        picture; ``symbol_seconds``, the median of changes of the symbol, whose books are
        computed then, too.
    """
    windows, symbols, grid = [], [], (0, 0)
    with served(database) as server, browser() as driver:
        driver.get(f"{server.address}/?symbol={SYMBOLS[-1]}")
        _wait(driver)
        for symbol in SYMBOLS:
            seconds, *_ = _change(driver, "symbol", symbol)
            if symbol != SYMBOLS[-1]:  # which the page began with
                symbols.append(seconds)
            for window in (*WINDOWS, "7d"):
                seconds, columns, buckets = _change(driver, "window", window)
                if window != "7d":
                    windows.append(seconds)
                grid = max(grid, (columns, buckets))
    return {
        "name": "page_selector",
        "seconds": round(statistics.median(windows), 4),
        "slowest": round(max(windows), 4),
        "runs": len(windows),
        "columns": grid[0],
        "buckets": grid[1],
        "symbol_seconds": round(statistics.median(symbols), 4),
    }


def _change(driver: webdriver.Chrome, name: str, value: str) -> tuple[float, int, int]:
    seconds, columns, buckets = driver.execute_async_script(CLICK, name, value)
    _wait(driver)
    return seconds, columns, buckets


def _wait(driver: webdriver.Chrome) -> None:
    end = time.monotonic() + DEADLINE
    while not driver.execute_script(IDLE):
        if time.monotonic() > end:
            raise TimeoutError(f"no picture within {DEADLINE} s")
        time.sleep(0.02)


@contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    """Run a headless browser until the block ends."""
    options = Options()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1440,900"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    driver.set_script_timeout(DEADLINE)
    try:
        yield driver
    finally:
        driver.quit()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", help="file of the simulated market, instead of data/")
    print(json.dumps(page_selector(parser.parse_args().database)))  # noqa: T201
