"""Calibrations of stored markets: computed when somebody looks, kept, and renewed by the day."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from app.assumptions import Assumptions
from app.cache import Memory, nbytes
from app.score_data import recorded_days
from app.score_record import assumptions_key
from app.scores import score_version
from app.stored_book import StoredBook
from engine.kernels import Floats
from engine.market import Times
from engine.score.calibration import (
    FEWEST_DAYS,
    Calibration,
    Factor,
    calibrate_days,
    days_of,
    too_few_days,
)
from engine.score.evidence import Verdict
from ingest.liquidations import liquidation_sums
from ingest.measured import StoredCalibration, set_calibration, stored_calibration
from ingest.store import Store

_DAY = timedelta(days=1)
_BEGIN, _END = (datetime(year, 1, 1, tzinfo=UTC) for year in (1970, 9999))
_BYTES = 20_000_000


@dataclass(frozen=True, slots=True, eq=False)
class _Days:
    """Sums of whole days, shape (2, m) [quote], and the days' starts."""

    start: Times
    sums: Floats


class Calibrator:
    """Calibrations by market and assumptions, thread-safe.

    Only whole days count, so that a calibration changes at midnight, or when rows of earlier days
    arrive. What its levels lost is summed once a day from a market's book, what was liquidated when
    rows have come: looking at a map doesn't wait for it. Where the database is written to, results
    are kept in it.

    Parameters
    ----------
    store : Store
        Where liquidations are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._simulated = store.is_simulated()
        self._modelled: Memory[_Days] = Memory(_BYTES, nbytes, "crossings by day")
        self._reported: Memory[_Days] = Memory(_BYTES, nbytes, "liquidations by day")

    def too_few(self, exchange: str, symbol: str) -> Verdict | None:
        """Return why a market can't be calibrated, whatever its book; None if it may be."""
        days = self._reported_days(exchange, symbol).start.size
        return too_few_days(days) if days < FEWEST_DAYS else None

    def of(self, stored: StoredBook, assumptions: Assumptions) -> Calibration | Verdict:
        """Return the calibration of a book, or why it has none."""
        exchange, symbol = stored.book.exchange, stored.book.symbol
        if verdict := self.too_few(exchange, symbol):
            return verdict
        key = assumptions_key(assumptions.in_force())
        modelled = self._modelled_days(stored, key)
        days = _of_both(modelled, self._reported_days(exchange, symbol))
        inputs = _digest(score_version(), *days)
        kept = stored_calibration(self._store, exchange, symbol, exchange, key)
        if kept is not None and kept.inputs == inputs:
            return from_json(kept.result)
        found = calibrate_days(*days)
        self._keep(exchange, symbol, key, inputs, found)
        return found

    def last(
        self, exchange: str, symbol: str, assumptions: Assumptions
    ) -> Calibration | Verdict | None:
        """Return the last calibration that was kept, None if there is none."""
        key = assumptions_key(assumptions.in_force())
        kept = stored_calibration(self._store, exchange, symbol, exchange, key)
        return from_json(kept.result) if kept is not None else None

    def _modelled_days(self, stored: StoredBook, key: str) -> _Days:
        book = stored.book
        midnight = book.stop.astype("datetime64[D]").astype("datetime64[us]")
        ended = book.until(midnight)
        # Of a book that grows, only what happened since the last midnight is new.
        version = _digest(ended.open_time[:1], len(ended), ended.close, ended.held)
        return self._modelled.get(
            (book.exchange, book.symbol, key),
            lambda: _Days(*days_of(ended.open_time, ended.interval, ended.crossed())),
            version,
        )

    def _reported_days(self, exchange: str, symbol: str) -> _Days:
        def find() -> _Days:
            rows = liquidation_sums(self._store, exchange, symbol, _DAY, _BEGIN, _END)
            start, sums = rows["start"], np.stack([rows["long"], rows["short"]])
            if self._simulated:
                return _whole(start, sums)
            recorded = recorded_days(start)
            return _Days(start[recorded], sums[:, recorded])

        return self._reported.get(
            (exchange, symbol), find, self._store.watermark((exchange,), symbol)
        )

    def _keep(
        self, exchange: str, symbol: str, key: str, inputs: str, found: Calibration | Verdict
    ) -> None:
        if self._store.read_only:
            return
        set_calibration(
            self._store,
            StoredCalibration(
                exchange=exchange,
                symbol=symbol,
                feed=exchange,
                assumptions=key,
                inputs=inputs,
                watermark=self._store.watermark((exchange,), symbol),
                program_version=score_version(),
                calibrated_at=datetime.now(UTC),
                result=to_json(found),
            ),
        )


def to_json(found: Calibration | Verdict) -> str:
    """Return a calibration, or why there is none, as JSON."""
    return json.dumps(asdict(found), default=str)


def from_json(text: str) -> Calibration | Verdict:
    """Return what `to_json` wrote."""
    fields: dict[str, Any] = json.loads(text)
    if "answer" in fields:
        return Verdict(**fields)
    return Calibration(
        **{side: Factor(**fields[side]) for side in ("long", "short", "both")},
        days=fields["days"],
        start=np.datetime64(fields["start"]),
        stop=np.datetime64(fields["stop"]),
    )


def _whole(start: Times, sums: Floats) -> _Days:
    """Return each day from the first to the last: a record that is complete has no gap."""
    if not start.size:
        return _Days(start, sums)
    every = np.arange(start[0], start[-1] + 1, np.timedelta64(1, "D"))
    filled = np.zeros((2, every.size))
    filled[:, np.searchsorted(every, start)] = sums
    return _Days(every, filled)


def _of_both(modelled: _Days, reported: _Days) -> tuple[Times, Floats, Floats]:
    start, ours, theirs = np.intersect1d(
        modelled.start, reported.start, assume_unique=True, return_indices=True
    )
    return start, modelled.sums[:, ours], reported.sums[:, theirs]


def _digest(*parts: Any) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode())
    return digest.hexdigest()
