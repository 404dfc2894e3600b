"""``liqheat score``: what a model's map knows, measured on what is stored."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.assumptions import Assumptions
from app.cli.assuming import assuming
from app.cli.options import (
    Database,
    Exchanges,
    ScoredStart,
    ScoredStop,
    load_settings,
    open_existing,
    parse_names,
    parse_span,
)

if TYPE_CHECKING:
    from rich.console import Console

    from app.score_data import StoredPeriod
    from app.score_record import ScoreRecord
    from app.scores import Scores

score = typer.Typer(
    help="Measure what a map knows of stored liquidations and positions.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@score.callback()
@assuming
def score_markets(
    context: typer.Context,
    assumptions: Assumptions,
    symbol: Annotated[
        str, typer.Option(help="For example BTCUSDT; several are separated by commas.")
    ] = "",
    exchange: Exchanges = "",
    start: ScoredStart = "",
    stop: ScoredStop = "",
    lines: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Add each score to this file, a line of JSON."),
    ] = None,
    truth: Annotated[
        bool,
        typer.Option(
            "--truth", help="On the simulated market: how much of the true map each model finds."
        ),
    ] = False,
    database: Database = None,
) -> None:
    """Measure what a map knows of stored liquidations and positions.

    Compares the map as of before with what happened then: when much was
    liquidated, how much, at which prices, and where observed positions lie,
    each beside maps that know only where price and volume were. Nothing is
    collected; "liqheat collect" does that. The score of the latest data (no
    --start, no --stop) is kept in the database for the page. docs/scorecard.md explains each line.
    """
    if context.invoked_subcommand is not None:
        return
    symbols = [name.upper() for name in parse_names(symbol)]
    if not symbols:
        raise ValueError('--symbol must name a market to score, like "BTCUSDT"')
    exchanges, (first, last) = parse_names(exchange), parse_span(start, stop)
    settings = load_settings(database=database)
    if lines is not None:
        lines = _writable(lines.expanduser())

    from rich.console import Console

    from app.score_record import append_line
    from app.scores import Scores

    with open_existing(settings.database) as store:
        scores, told = Scores(store, settings.warmup_days), Console(stderr=True)
        periods = [
            scores.load(market, first, last, assumptions)
            for one in symbols
            for market in scores.markets(one, exchanges, assumptions)
        ]
        if truth:
            _show_truth(scores, periods, told)
            return
        records = []
        for record in _scored(scores, periods, assumptions, told):
            if not start and not stop:
                scores.keep(record)
            if lines is not None:
                append_line(lines, record)
            records.append(record)
        _show_hit_rates(records)


def _writable(path: Path) -> Path:
    """Return the path once it is known to be writable, so that nothing is computed in vain."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()
    except OSError as e:
        raise ValueError(
            f"{e.filename or path}: {e.strerror}. Choose another file with --json."
        ) from e
    return path


@score.command("show")
def show(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Of --json.")],
) -> None:
    """Show scores that were written to files, those of one market and model together.

    Where periods overlap, the score that was made last counts.
    """
    from app.cli.score_tables import show_together
    from app.score_record import read_lines, together

    show_together(together([record for path in files for record in read_lines(path)]))


def _scored(
    scores: "Scores", periods: "Sequence[StoredPeriod]", assumptions: Assumptions, told: "Console"
) -> "Iterator[ScoreRecord]":
    """Print and yield the score of each market; raise ``NoData`` if none can be scored."""
    from app.cli.score_tables import show_record
    from app.errors import NoData

    refused: NoData | None = None
    some = False
    for period in periods:
        try:
            with _progress(told, period) as progress:
                record = scores.score(period, assumptions, progress)
        except NoData as e:
            if refused is not None:
                typer.echo(f"No verdict. {refused}", err=True)
            refused = e
            continue
        show_record(record)
        some = True
        yield record
    if refused is not None:
        if not some:
            raise NoData(f"No verdict. {refused}")
        typer.echo(f"No verdict. {refused}", err=True)


@contextmanager
def _progress(told: "Console", period: "StoredPeriod") -> Iterator[Callable[[str], None]]:
    """Show what is being computed of a market, and yield the function that updates it."""
    market = period.market
    named = f"{market.symbol} on {market.exchange}, {len(market):,} bars"
    with told.status(f"Scoring {named}") as status:
        yield lambda doing: status.update(f"Scoring {named}: {doing}")


def _show_hit_rates(records: "Sequence[ScoreRecord]") -> None:
    """Show how far hit-rates differ, if several symbols were scored."""
    if len({record.symbol for record in records}) > 1:
        from app.cli.score_tables import show_hit_rates

        show_hit_rates(records)


def _show_truth(scores: "Scores", periods: "Sequence[StoredPeriod]", told: "Console") -> None:
    from app.cli.score_tables import show_recoveries
    from app.scores import recoveries

    for period in periods:
        with _progress(told, period) as progress:
            found = recoveries(scores.store, period, progress)
        show_recoveries(period.market.symbol, period.market.exchange, found)
