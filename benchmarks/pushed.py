"""How long it takes from an exchange's message to the row in a reader's page.

    .venv/bin/python -m benchmarks.pushed [--events 100]

All four exchanges are fakes on loopback; ``liqheat serve --collect`` is a process of its own, and
the Data page is open in a headless browser. Each liquidation is sent when the one before it has
been seen, after a pause of up to a second, so that it meets the batches at any moment. Figures
without a pass mark; the longest one should stay below two seconds.
"""

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path

from rich.console import Console
from selenium import webdriver

from benchmarks.page import browser
from tests.live_exchanges import at_work, collecting

# Notes when each row comes, by the clock that the sender reads, too.
WATCH = """
window.seen = {};
new MutationObserver(() => {
  for (const row of document.querySelectorAll("#recent-rows tr")) {
    window.seen[row.cells[4].textContent] ??= Date.now();
  }
}).observe(document.getElementById("recent-rows"), { childList: true, subtree: true });
"""
DEADLINE = 60.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100)
    events = parser.parse_args().events
    console, taken = Console(highlight=False, soft_wrap=True), []
    with (
        tempfile.TemporaryDirectory() as folder,
        at_work() as exchanges,
        collecting(exchanges, Path(folder)) as server,
        browser() as driver,
    ):
        driver.get(f"{server.address}/data")
        _until(driver, "return Boolean(document.getElementById('recent-rows'))")
        for name, fake in exchanges.streams.items():
            exchanges.call(fake.subscribed())
            console.print(f"{name} is connected")
        driver.execute_script(WATCH)
        for number in range(events):
            price = 10_000 + number
            time.sleep(random.random())
            exchange = list(exchanges.streams)[number % len(exchanges.streams)]
            sent = time.time()
            exchanges.liquidate(exchange, price=price)
            seen = _until(driver, f"return window.seen['{price:,}.0']")
            taken.append(seen / 1000 - sent)
    taken.sort()
    console.print(
        f"{events} liquidations of {len(exchanges.streams)} exchanges, sent to seen: median "
        f"{statistics.median(taken):.3f} s, p95 {taken[int(0.95 * len(taken))]:.3f} s, longest "
        f"{taken[-1]:.3f} s"
    )


def _until(driver: webdriver.Chrome, script: str) -> float:
    """Return what a script returns, as soon as that is something."""
    end = time.monotonic() + DEADLINE
    while not (found := driver.execute_script(script)):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {DEADLINE:g} s: {script}")
        time.sleep(0.02)
    return float(found)


if __name__ == "__main__":
    main()
