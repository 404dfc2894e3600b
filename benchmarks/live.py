"""How long a view takes when a bar has come, beside one that is computed whole.

    .venv/bin/python -m benchmarks.live [--days 365] [--bar-minutes 5] [--bars 20]

A random market in a temporary database, the page's model and grid, a window of 7 days. Each bar
is stored with its open interest, and the view is asked for as a page does. Figures without a pass
mark, medians of all bars.
"""

import argparse
import tempfile
from datetime import timedelta
from pathlib import Path
from statistics import median
from time import perf_counter

from rich.console import Console

from app.heatmaps import StoredHeatmaps
from app.page_state import PageState
from app.picture import heatmap_request
from app.settings import Settings
from benchmarks.snapshots import fill
from ingest.store import Store


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--bar-minutes", type=int, default=5)
    parser.add_argument("--bars", type=int, default=20)
    arguments = parser.parse_args()
    step, console = timedelta(minutes=arguments.bar_minutes), Console(highlight=False)
    bars = timedelta(days=arguments.days) // step
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder, "live.duckdb")) as store:
        fill(store, step, 0, bars - arguments.bars, bars)
        heatmaps = StoredHeatmaps(store, Settings(cache_dir=Path(folder, "cache")))
        console.print(f"{bars:,} bars: whole, kernels compiled {1000 * _view(heatmaps):9.1f} ms")
        stored, drawn, again = [], [], []
        for bar in range(bars - arguments.bars, bars):
            began = perf_counter()
            fill(store, step, bar, bar + 1, bars)
            stored.append(perf_counter() - began)
            drawn.append(_view(heatmaps))
            again.append(_view(heatmaps))
        console.print(f"view after one more bar       {1000 * median(drawn):9.1f} ms")
        console.print(f"view when nothing has come    {1000 * median(again):9.1f} ms")
        heatmaps.close()


def _view(heatmaps: StoredHeatmaps) -> float:
    began = perf_counter()
    heatmaps.view(heatmap_request(heatmaps, PageState(symbol="BTCUSDT")))
    return perf_counter() - began


if __name__ == "__main__":
    main()
