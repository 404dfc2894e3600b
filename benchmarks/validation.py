"""How the validation judges maps of the simulated market, where the truth is known.

    python -m benchmarks.validation --days 60 --seed 13

Positions that are open at some moments are taken at random, as one would follow users. Beside the
models stands the map of all other positions, which is as true as a map can be, and the geometry
map. The validation is of use if it tells the truth from the others.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from app.validate.summary import Gain, Score, gain, score
from app.validate.words import verdict
from app.validate.zones import Reach, Zones, geometry_of, zones_of
from engine.book import LevelBook, OpenLevels
from engine.models import DEFAULT_MODEL, MODELS
from engine.simulate import INTERVAL, simulate_symbol
from engine.truth import Positions

START = datetime(2026, 1, 1, tzinfo=UTC)
_BARS_A_DAY = timedelta(days=1) // INTERVAL


@dataclass(frozen=True, slots=True)
class Judged:
    """What the validation says of one map, and of its gain over the geometry map."""

    score: Score
    gain: Gain


def judge(
    *,
    days: int,
    seed: int,
    exchange: str = "binance",
    moments: int = 40,
    users: int = 30,
    reach: Reach | None = None,
) -> dict[str, Judged]:
    """Return what the validation says of each model, of the truth and of the geometry map.

    Parameters
    ----------
    days, seed
        Of the simulated market. Positions are looked at in its second half.
    exchange : str
        Whose.
    moments, users : int
        When to look, and at how many positions each time.
    reach : Reach, optional
        How far around the price, and how much of it is hot.
    """
    simulated = simulate_symbol("BTCUSDT", start=START, bars=days * _BARS_A_DAY, seed=seed)[
        exchange
    ]
    books = {name: model.build_book(simulated.market) for name, model in MODELS.items()}
    rng = np.random.default_rng(seed)
    ends = np.linspace(len(simulated.market) // 2, len(simulated.market) - 1, moments).astype(int)
    names = ("truth", *MODELS, "geometry")
    hot: dict[str, list[bool]] = {name: [] for name in names}
    covered: list[float] = []
    for time in simulated.market.open_time[ends]:
        seen, others = _chosen(simulated.positions, time, users, rng)
        zones = dict(_zones(books, others, time, reach or Reach()))
        for side, price in zip(seen.side.tolist(), seen.liquidation_price.tolist(), strict=True):
            if zones["truth"].place(side, price) is not None:
                covered.append(zones[DEFAULT_MODEL].covered(side))
                for name in names:
                    hot[name].append(zones[name].is_hot(price))
    return {name: _judged(hot[name], hot["geometry"], covered) for name in names}


def _judged(hot: list[bool], geometry: list[bool], covered: list[float]) -> Judged:
    found, over = score(hot, covered, np.ones(len(hot))), gain(hot, geometry)
    assert found is not None
    assert over is not None
    return Judged(found, over)


def _chosen(
    positions: Positions, time: np.datetime64, users: int, rng: np.random.Generator
) -> tuple[Positions, Positions]:
    """Return some positions that are open at a moment, and the other ones."""
    is_open = (positions.opened < time) & ~(positions.ended < time)
    shown = positions.where(is_open & np.isfinite(positions.liquidation_price))
    chosen = np.isin(np.arange(len(shown)), rng.choice(len(shown), users, replace=False))
    return shown.where(chosen), shown.where(~chosen)


def _zones(
    books: dict[str, LevelBook], others: Positions, time: np.datetime64, reach: Reach
) -> Iterator[tuple[str, Zones]]:
    known = {name: book.until(time) for name, book in books.items()}
    price = float(known[DEFAULT_MODEL].close[-1])
    for name, book in known.items():
        yield name, zones_of([book.open_levels()], price, reach)
    plain = known[DEFAULT_MODEL].open_levels()
    zones = zones_of([plain], price, reach)
    weight = known[DEFAULT_MODEL].parameters.profile.weight
    yield "geometry", geometry_of({"": plain}, weight, zones)
    yield "truth", zones_of([_levels(others)], price, reach)


def _levels(positions: Positions) -> OpenLevels:
    rows = np.arange(len(positions))
    side = np.where(positions.side > 0, 0, 1).astype(np.int8)
    return OpenLevels(positions.liquidation_price, positions.quantity, side, rows, rows)


def main() -> None:
    """Print what the validation says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--seed", type=int, default=13)
    given = parser.parse_args()
    for name, judged in judge(days=given.days, seed=given.seed).items():
        found, over = judged.score, judged.gain
        print(  # noqa: T201
            f"{name:14} {found.share:6.1%} of {found.count} [{found.low:.1%}, {found.high:.1%}], "
            f"over geometry {100 * over.gain:+5.1f} points [{100 * over.low:+.1f}, "
            f"{100 * over.high:+.1f}]. {verdict(found)}"
        )


if __name__ == "__main__":
    main()
