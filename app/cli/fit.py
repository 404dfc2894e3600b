"""``liqheat fit``: three numbers of the default model, fitted to a stored market."""

from typing import TYPE_CHECKING

import typer

from app.assumptions import Assumptions
from app.cli.options import (
    Database,
    Exchanges,
    ScoredStart,
    ScoredStop,
    Symbol,
    load_settings,
    open_existing,
    parse_names,
    parse_span,
)

if TYPE_CHECKING:
    from rich.console import Console

    from app.fits import FittedPreset
    from app.score_data import StoredPeriod
    from engine.score import Fit, Verdict
    from engine.score.fit import Fitted


def fit(
    symbol: Symbol,
    exchange: Exchanges = "",
    start: ScoredStart = "",
    stop: ScoredStop = "",
    database: Database = None,
) -> None:
    """Fit the two-speed model to the liquidations of a stored market.

    Tries ladder top, slow share of turnover and speed ratio on a grid of 36
    and keeps what explains the amounts best as a named preset of the market.
    Bands are those of resampled days; where a band spans the whole grid, the
    data do not say. The default stays what it was. Ctrl-C ends it with
    nothing written.
    """
    exchanges, (first, last) = parse_names(exchange), parse_span(start, stop)
    settings = load_settings(database=database)

    from rich.console import Console

    from app.fits import FITTED_MODEL, keep, preset_of
    from app.scores import Scores
    from engine.score import Verdict

    assumptions, told = Assumptions(model=FITTED_MODEL), Console(stderr=True)
    with open_existing(settings.database) as store:
        scores = Scores(store, settings.warmup_days)
        failed = 0
        markets = scores.markets(symbol.strip().upper(), exchanges, assumptions)
        for market in markets:
            period = scores.load(market, first, last, assumptions)
            found = _fit(period, told)
            title = f"{market.symbol} on {market.exchange}"
            if isinstance(found, Verdict):
                typer.echo(f"{title}: {found.words}")
                failed += 1
                continue
            preset = preset_of(found, period)
            keep(store, preset)
            _show(title, found, preset)
    if failed == len(markets):
        raise typer.Exit(1)


def _fit(period: "StoredPeriod", told: "Console") -> "Fit | Verdict":
    from rich.progress import Progress

    from app.fits import fit_period

    with Progress(console=told, transient=True) as bar:
        task = bar.add_task(f"Fitting {period.market.symbol} on {period.market.exchange}")
        return fit_period(period, lambda done, of: bar.update(task, completed=done, total=of))


def _show(title: str, found: "Fit", preset: "FittedPreset") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{title}: {preset.name}", title_justify="left")
    for header in ("number", "fitted", "90 % band", ""):
        table.add_column(header)
    numbers = (
        ("ladder top", found.top),
        ("slow share of turnover", found.slow_of_turnover),
        ("speed ratio", found.speed_ratio),
    )
    for name, number in numbers:
        table.add_row(name, *_cells(number))
    Console().print(table)
    typer.echo(
        f"Deviance {found.deviance:.4f}, of the model's own numbers "
        f"{found.base_deviance:.4f}, on the {found.periods} periods of {found.days} days that it "
        "was fitted to: only a score on other days says what it is worth."
    )
    options = " ".join(
        f"--{name.replace('_', '-')} {value}" for name, value in preset.assumptions.items()
    )
    typer.echo(f"Use it with {options}")


def _cells(number: "Fitted") -> tuple[str, str, str]:
    said = "" if number.identified else "not identified"
    return f"{number.value:g}", f"{number.low:g} to {number.high:g}", said
