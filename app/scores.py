"""From a database to scorecards: what is stored of a market over a period, scored and kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from math import isfinite
from pathlib import Path

from app import __version__
from app.assumptions import Assumptions
from app.errors import NoData
from app.history import mapped_from
from app.market_choice import choose_markets
from app.score_data import StoredPeriod, aware, load_period
from app.score_record import Feed, ScoreRecord, assumptions_key, badge, parts_of
from app.version import program_version
from engine.book import build_book
from engine.market import Market
from engine.models import MODELS, LiquidationModel
from engine.score import Recovery, Verdict, recover, score
from engine.score.nulls import nulls_of
from engine.score.sampling import Held, held_by, held_in, hours_of
from engine.truth import stored_positions, true_map
from engine.version import sources_digest
from ingest.coverage import MarketCoverage
from ingest.scores import StoredScore, set_score, stored_scores
from ingest.store import Store

DEFAULT_PERIOD = timedelta(days=90)
"""How long a score looks back from the end of the data if no start is given."""
FORMER_DEFAULT = "turnover"
"""Model that line 2 compares with."""
CURRENT = timedelta(hours=1)
"""So long after its stop, or after it was made, a score counts though there are later data."""

COMPLETENESS = {
    "binance": "Binance reports at most one order of a symbol and second: a lower bound",
    "bybit": "Bybit reports every liquidation",
    "okx": 'OKX reports a part of its liquidations: its feed "doesn\'t represent the total number"',
    "hyperliquid": "Hyperliquid's nodes record every liquidation; its stream only those of the "
    "users that are followed",
}
"""What the feed of each exchange leaves out."""

_DEFAULT = Assumptions()

Progress = Callable[[str], None]
"""Called with what is about to be computed; it may raise to stop."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of a database's markets.

    Attributes
    ----------
    store : Store
        The database. Where it is written to, the last scores are kept in it.
    warmup_days : int
        Days of bars before a period.
    """

    store: Store
    warmup_days: int

    def markets(
        self, symbol: str, exchanges: Sequence[str] = (), assumptions: Assumptions = _DEFAULT
    ) -> list[MarketCoverage]:
        """Return the stored markets that a model can map; ``NoData`` if there are none."""
        assumed = assumptions.assumed().parameters
        return choose_markets(self.store.markets(), symbol, exchanges, assumed)

    def load(
        self,
        market: MarketCoverage,
        start: datetime | None = None,
        stop: datetime | None = None,
        assumptions: Assumptions = _DEFAULT,
    ) -> StoredPeriod:
        """Return what is stored of a market; the last 90 days of the data where not told."""
        stop = market.last if stop is None else min(stop, market.last)
        assumed = assumptions.assumed().parameters
        start = start or max(stop - DEFAULT_PERIOD, mapped_from(market, assumed))
        if start >= stop:
            raise NoData(
                f"Nothing is stored for {market.symbol} on {market.exchange} from "
                f"{start:%Y-%m-%d %H:%M} UTC on; the data end {market.last:%Y-%m-%d %H:%M}."
            )
        return load_period(self.store, market, start, stop, self.warmup_days, assumed)

    def score(
        self, period: StoredPeriod, assumptions: Assumptions, progress: Progress = lambda _: None
    ) -> ScoreRecord:
        """Return the score of a model on what is stored.

        Raises
        ------
        NoData
            If neither liquidations nor positions are stored in the period; says how to get some.
        """
        refuse_nothing(period)
        market, model = period.market, assumptions.assumed()
        card = score(
            market,
            model,
            period.liquidations if len(period.liquidations) else None,
            period.positions if len(period.positions) else None,
            against=_others(market, model),
            warm_up=period.warm_up,
            progress=progress,
        )
        return ScoreRecord(
            **parts_of(card),
            assumptions=assumptions.in_force(),
            start=period.start,
            stop=period.stop,
            feed=Feed(
                exchange=market.exchange,
                events=len(period.liquidations),
                recorded=period.recorded,
                completeness=self._completeness(market.exchange),
            ),
            missing=missing(period, card.when),
            data_watermark=self.store.watermark((), market.symbol),
            program_version=score_version(),
            scored_at=datetime.now(UTC),
        )

    def keep(self, record: ScoreRecord) -> None:
        """Keep a score as the last one of its market and model, for `skill_badge`."""
        set_score(
            self.store,
            StoredScore(
                exchange=record.exchange,
                symbol=record.symbol,
                assumptions=record.key,
                start=record.start,
                stop=record.stop,
                watermark=record.data_watermark,
                program_version=record.program_version,
                scored_at=record.scored_at,
                result=record.model_dump_json(),
            ),
        )

    def last(
        self, symbol: str, exchanges: Sequence[str], assumptions: Assumptions
    ) -> list[ScoreRecord]:
        """Return the last score of each exchange that has one under these assumptions."""
        key = assumptions_key(assumptions.in_force())
        return [
            ScoreRecord.model_validate_json(one.result)
            for one in stored_scores(self.store, symbol, key)
            if not exchanges or one.exchange in exchanges
        ]

    def current(self, market: MarketCoverage, assumptions: Assumptions) -> ScoreRecord:
        """Return the score of a market's latest data: the last one if it is fresh, else anew."""
        for record in self.last(market.symbol, (market.exchange,), assumptions):
            if self._is_current(record, market, assumptions):
                return record
        record = self.score(self.load(market, assumptions=assumptions), assumptions)
        self.keep(record)
        return record

    def _is_current(
        self, record: ScoreRecord, market: MarketCoverage, assumptions: Assumptions
    ) -> bool:
        """Return whether a score is of the latest data, the default period and this program.

        Data can also come late, of days that have long been scored: files of liquidations, say.
        """
        first = mapped_from(market, assumptions.assumed().parameters)
        known = record.data_watermark == self.store.watermark((), market.symbol)
        return (
            market.last - record.stop < CURRENT
            and record.start == max(record.stop - DEFAULT_PERIOD, first)
            and (known or datetime.now(UTC) - record.scored_at < CURRENT)
            and record.program_version == score_version()
        )

    def _completeness(self, exchange: str) -> str:
        if self.store.is_simulated():
            return "The simulated market's record is complete"
        return COMPLETENESS.get(exchange, "It is not known how complete this feed is")


@cache
def score_version() -> str:
    """Return which program scores: its version, and a digest of what decides a score."""
    digest = sources_digest(*Path(__file__).parents[1].glob("engine/score/*.py"))
    return f"{__version__} {program_version()}{digest}"


def _others(market: Market, model: LiquidationModel) -> list[LiquidationModel]:
    """Return the models that line 2 compares with."""
    former = MODELS[FORMER_DEFAULT]
    known = isfinite(market.initial_open_interest)
    return [former] if known and former.parameters != model.parameters else []


def skill_badge(
    store: Store, symbol: str, exchanges: Sequence[str], assumptions: Assumptions
) -> str:
    """Return one line of what a map is known to know, from the last scores of its markets.

    Of several exchanges the one with most scored bars counts, and is named.
    """
    records = Scores(store, 0).last(symbol, exchanges, assumptions)
    if not records:
        return badge(None)
    best = max(records, key=lambda one: getattr(one.when, "periods", 0))
    text = badge(best)
    return text if len(exchanges) == 1 or best.when is None else f"{best.exchange}: {text}"


def refuse_nothing(period: StoredPeriod) -> None:
    """Raise ``NoData`` where nothing happened that a map could be compared with."""
    if not len(period.liquidations) and not len(period.positions):
        raise NoData(" ".join(missing(period, None)))


def missing(period: StoredPeriod, when: object) -> tuple[str, ...]:
    """Return what is missing for more of a verdict, and the commands that get it."""
    market, said = period.market, []
    exchange, symbol = market.exchange, market.symbol
    spanned = f"from {period.start:%Y-%m-%d} to {period.stop:%Y-%m-%d}"
    if not len(period.liquidations):
        said.append(
            f"No liquidations of {symbol} on {exchange} are stored {spanned}. {_collect(symbol)}"
        )
    elif isinstance(when, Verdict):
        said.append(f"{when.words} {_collect(symbol)}")
    if not len(period.positions):
        said.append(
            f"No positions of {symbol} were observed {spanned}: name users in "
            f'LIQHEAT_HYPERLIQUID_USERS, and "liqheat collect --symbols {symbol}" collects theirs.'
        )
    scored = period.stop - aware(market.open_time[0]) - period.warm_up
    if scored < DEFAULT_PERIOD / 3:
        said.append(
            f"Only {max(scored, timedelta(0)).days} days have bars and a map that is warm "
            f"({period.warm_up.days} days after its first bar). More bars and open interest: "
            f'"liqheat backfill --exchange {exchange} --symbol {symbol}".'
        )
    return tuple(said)


def _collect(symbol: str) -> str:
    return (
        f'Collect them with "liqheat collect --symbols {symbol}", or load files with '
        '"liqheat ingest".'
    )


# The simulated market's truth


def recoveries(
    store: Store, period: StoredPeriod, progress: Progress = lambda _: None
) -> dict[str, Recovery]:
    """Return how much of a simulated market's true map is found: by itself, models and geometry.

    Raises
    ------
    NoData
        If the market is not simulated.
    """
    market = period.market
    columns = store.simulated_positions(market.exchange, market.symbol)
    if not columns["opened"].size:
        raise NoData(
            f"The truth about {market.symbol} on {market.exchange} is not known. Make a simulated "
            'market, whose truth is, with "liqheat simulate", or leave out --truth.'
        )
    positions = stored_positions(columns)
    truth = held_in(lambda times, edges: true_map(positions, times, edges))
    hours = hours_of(market, period.warm_up)
    found: dict[str, Recovery] = {}
    for name, held in _maps(market, truth):
        progress(f"recovery of {name}")
        found[name] = recover(held(), truth, hours, period.liquidations)
    return found


def _can_map(model: LiquidationModel, market: Market) -> bool:
    """Return whether a market has the funding rates that a model may need."""
    return not model.parameters.needs_funding or market.funding is not None


def _maps(market: Market, truth: Held) -> list[tuple[str, Callable[[], Held]]]:
    """Return the maps to look for the truth in, by name, each built when it is its turn."""

    def of(model: LiquidationModel) -> Callable[[], Held]:
        return lambda: held_by(model.build_book(market))

    default = next(iter(MODELS.values()))
    geometry = next(nulls_of(market, default.parameters))
    return [
        ("the truth itself", lambda: truth),
        *((name, of(model)) for name, model in MODELS.items() if _can_map(model, market)),
        ("geometry", lambda: held_by(build_book(geometry.market, geometry.parameters))),
    ]
