"""Scores as tables for the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from math import exp

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.score_record import (
    Reported,
    ScoreRecord,
    Together,
    gains,
    in_short,
    length_name,
)
from engine.score import Estimate, Recovery, Verdict
from engine.score.amount import Amount
from engine.score.positions import OpenPositions
from engine.score.scorecard import Zones
from engine.score.when import When
from engine.score.where import Where

AIM, ALIKE = 0.6, 0.1
"""Share of liquidations near zones that was asked for, and by how much symbols may differ in it."""

_WIDTH, _WIDEST = 100, 140  # where output is no terminal


def _console(width: int = _WIDTH) -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=width)


def _table(*columns: str, stiff: int = 1) -> Table:
    """Return a table whose first columns, which say what a row is about, are never wrapped."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for place, column in enumerate(columns):
        table.add_column(column, no_wrap=place < stiff)
    return table


def show_record(record: ScoreRecord) -> None:
    """Print a score."""
    console = _console()
    console.print(
        f"{record.symbol} on {record.exchange}, {escape(record.model)}, "
        f"{record.start:%Y-%m-%d} to {record.stop:%Y-%m-%d} UTC",
        style="bold",
    )
    table = _table("", "figure", "beside it", "verdict")
    for name, figure, beside, verdict in _rows(record):
        table.add_row(name, figure, beside, verdict)
    console.print(table)
    for line in _notes(record):
        console.print(escape(line), soft_wrap=True)
    console.print()


def _rows(record: ScoreRecord) -> Iterator[tuple[str, ...]]:
    for name, part in (
        ("When", record.when),
        ("How much", record.amount),
        ("Where", record.where),
        ("Open positions", record.positions),
        ("Hit-rate", record.zones),
        ("Calibration", record.calibration),
    ):
        yield name, *(escape(text) for text in _row(part))


def _row(part: object) -> tuple[str, str, str]:
    """Return a part's figure, what stands beside it, and the verdict."""
    match part:
        case When():
            return _when(part)
        case Amount():
            return _amount(part)
        case Where():
            return _where(part)
        case OpenPositions():
            return _positions(part)
        case Zones():
            return _zones(part)
        case Reported():
            return _calibration(part)
        case Verdict():
            return "", "", part.words
    return "", "", "Not measured: nothing to compare with is stored."


def _when(part: When) -> tuple[str, str, str]:
    beside = [f"over {kind}: {in_short(gain.both)}" for kind, gain in gains(part).items()]
    counted = f"{part.periods:,} × {length_name(part.length)}, {part.events:,} liquidations"
    figure = f"{in_short(part.strongest.both)} over {part.strongest.over} ({counted})"
    return figure, "; ".join(beside), part.verdict.words


def _amount(part: Amount) -> tuple[str, str, str]:
    beside = [f"over {name}: {in_short(gain)}" for name, gain in part.over_models.items()]
    figure = f"{in_short(part.over_fading)} nats a bar over {part.fading} ({part.periods:,} bars)"
    return figure, "; ".join(beside), part.verdict.words


def _where(part: Where) -> tuple[str, str, str]:
    figure = (
        f"{in_short(part.over_uniform)} nats over a uniform guess "
        f"({part.events:,} liquidations, {part.hours:,} hours)"
    )
    beside = (
        f"geometry: {in_short(part.geometry_over_uniform)}; "
        f"the map's own mean: {in_short(part.profile_over_uniform)}"
    )
    return figure, beside, part.verdict.words


def _positions(part: OpenPositions) -> tuple[str, str, str]:
    figure = (
        f"matched percentile {_plain(part.map.matched)}, 50 is chance "
        f"({part.positions:,} positions, {part.days} days)"
    )
    beside = (
        f"geometry: {_plain(part.geometry.matched)}; "
        f"ceiling, positions 4 h earlier: {_plain(part.ceiling.matched)}"
    )
    return figure, beside, part.verdict.words


def _plain(estimate: Estimate) -> str:
    return f"{estimate.value:.1f} [{estimate.low:.1f}, {estimate.high:.1f}]"


def _zones(part: Zones) -> tuple[str, str, str]:
    own, plain = part.map, part.geometry
    figure = (
        f"{own.hit:.0%} of liquidations within {own.tolerance:.1%} of a zone ({own.events:,}); "
        f"zones cover {own.covered:.0%} of the touched range"
    )
    beside = f"geometry: {plain.hit:.0%}, covering {plain.covered:.0%}"
    answer = "yes" if own.lift.is_above_zero else "not shown"
    words = f"More than a blind guess: {answer}, {in_short(own.lift)}."
    if own.lift.is_below_zero:
        words = f"Fewer than a blind guess: {in_short(own.lift)}."
    return figure, beside, words


def _calibration(part: Reported) -> tuple[str, str, str]:
    figure = f"{part.both.value:.3g} reported for each modelled unit ({part.days} days)"
    beside = f"longs: {part.long.value:.3g}; shorts: {part.short.value:.3g}"
    return figure, beside, f"From day to day within a factor of {exp(part.both.spread):.2g}."


def _notes(record: ScoreRecord) -> Iterator[str]:
    feed = record.feed
    if record.mapped_share is not None:
        yield f"Mapped share: the map knows {record.mapped_share:.0%} of the open interest."
    if isinstance(record.where, Where):
        yield f"Outside the touched range: {record.where.outside:.0%} of the liquidations."
    yield (
        f"Feed: {feed.events:,} liquidations of {feed.exchange}, recorded in {feed.recorded:.0%} "
        f"of the period. {feed.completeness}."
    )
    yield from (f"Missing: {text}" for text in record.missing)


def show_hit_rates(records: Sequence[ScoreRecord]) -> None:
    """Print the hit-rates of several symbols and how far they differ."""
    rates = [(one, one.zones) for one in records if isinstance(one.zones, Zones)]
    if len(rates) < 2:
        return
    table = _table("hit-rate", "near a zone", "zones cover", "geometry hits", "geometry covers")
    for one, zones in rates:
        shares = (zones.map.hit, zones.map.covered, zones.geometry.hit, zones.geometry.covered)
        table.add_row(f"{one.symbol} on {one.exchange}", *(f"{share:.1%}" for share in shares))
    hits = [zones.map.hit for _, zones in rates]
    apart = max(hits) - min(hits)
    console = _console()
    console.print(table)
    console.print(
        f"The aim is at least {AIM:.0%} ({'reached' if min(hits) >= AIM else 'not reached'}), with "
        f"symbols within {ALIKE:.0%} of each other ({apart:.1%} apart). A hit-rate says "
        "nothing by itself: a map whose zones cover more hits more.",
        soft_wrap=True,
    )


def show_together(groups: Sequence[Together]) -> None:
    """Print scores of files, those of one market and model together."""
    table = _table(
        "market", "model", "from", "to", "when", "how much", "where", "open positions", stiff=4
    )
    for one in groups:
        market = f"{one.symbol} on {one.exchange}"
        for record in one.records:
            table.add_row(market, escape(one.model), *_figures(record))
        if len(one.records) > 1:
            parts = (one.when, one.amount, one.where)
            table.add_row(
                market,
                escape(one.model),
                f"{len(one.records)} scores",
                "together",
                *(in_short(part) if part else "no verdict" for part in parts),
                _plain(one.positions) if one.positions else "no verdict",
                style="bold",
            )
    _console(_WIDEST).print(table)


def _figures(record: ScoreRecord) -> Iterator[str]:
    """Yield the period of a score, and each line's figure in short."""
    yield f"{record.start:%Y-%m-%d}"
    yield f"{record.stop:%Y-%m-%d}"
    for part in (record.when, record.amount, record.where, record.positions):
        match part:
            case When():
                yield in_short(part.strongest.both)
            case Amount():
                yield in_short(part.over_fading)
            case Where():
                yield in_short(part.over_uniform)
            case OpenPositions():
                yield _plain(part.map.matched)
            case Verdict():
                yield "no verdict"
            case None:
                yield "not measured"


def show_recoveries(symbol: str, exchange: str, found: Mapping[str, Recovery]) -> None:
    """Print how much of the true map each map finds."""
    console = _console()
    some = next(iter(found.values()))
    console.print(
        f"{symbol} on {exchange}, {some.moments:,} hours, {some.liquidations:,} true liquidations",
        style="bold",
    )
    table = _table("map", "distance", "rank correlation", "in the hottest tenth")
    for name, one in found.items():
        hot = one.hottest
        table.add_row(
            name,
            f"{one.distance:.2%}",
            f"{one.rank_correlation:+.2f}",
            f"{hot.value:.1%} [{hot.low:.1%}, {hot.high:.1%}]",
        )
    console.print(table)
    console.print(
        "Distance: how far the average dollar of the map must be moved, of the price "
        "(Wasserstein). Hottest tenth: share of the true liquidations at prices where the map held "
        "more than at 90 % of other times at the same distance; chance is 10 %.\n",
        soft_wrap=True,
    )
