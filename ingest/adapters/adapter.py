"""What an exchange's adapter provides, and the values it deals in.

An adapter is a table of facts about one exchange and functions that turn text into records. It
connects to nothing, keeps nothing and reads no clock: connecting, waiting, retrying and storing
are its callers' work.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, Protocol, runtime_checkable

from ingest.records import (
    Candle,
    FundingRate,
    Instrument,
    Liquidation,
    MarkCandle,
    ObservedPosition,
    OpenInterest,
    Tiers,
)

Frame = str
"""One message to send over a stream, as it goes over the wire."""

Text = str | bytes
"""What came over the wire."""

Kind = Literal[
    "liquidations",
    "candles",
    "mark_candles",
    "open_interest_now",
    "open_interest_history",
    "funding",
    "tiers",
    "instruments",
]
"""What an adapter may be asked for."""

_LONGEST = 500


class PayloadError(ValueError):
    """A message that can't be read: whose, what in it, and the message itself.

    Attributes
    ----------
    exchange, problem : str
        Whose message it is; which field of it is wrong, and how.
    payload : str
        The whole message, for the log.
    liquidations : tuple of Liquidation
        What the message's other rows said: they are not to be lost for the bad one.
    later : bool
        It can be read as soon as the context holds what is missing now.
    """

    def __init__(
        self,
        exchange: str,
        problem: str,
        payload: Text = "",
        liquidations: tuple[Liquidation, ...] = (),
        *,
        later: bool = False,
    ) -> None:
        if isinstance(payload, bytes):
            payload = payload.decode(errors="replace")
        self.exchange, self.problem, self.payload = exchange, problem, payload
        self.liquidations, self.later = liquidations, later
        # What was received is the exchange's: it may be of any length, and steer a terminal.
        shown = "".join(c if c.isprintable() else " " for c in payload[:_LONGEST])
        more = "…" if len(payload) > _LONGEST else ""
        super().__init__(f"{exchange}: {problem}, in: {shown}{more}")


class Refused(PayloadError):
    """The exchange answered a request with an error of its own instead of data.

    ``code`` is the exchange's; ``busy`` says that it was asked too often and will answer later.
    """

    def __init__(
        self, exchange: str, code: str, reason: str, payload: Text = "", *, busy: bool = False
    ) -> None:
        super().__init__(exchange, f"refused with code {code}: {reason}", payload)
        self.code, self.busy = code, busy


class NotOffered(ValueError):
    """The exchange does not offer this; the message says so, and what to do instead."""


@dataclass(frozen=True, slots=True)
class Context:
    """What must be known beside a message in order to read it.

    Attributes
    ----------
    symbols : frozenset of str or None
        The symbols wanted, in our spelling: topics for all markets bring others too, and their
        rows are left out. None wants all.
    contract_sizes : mapping of str to Decimal
        Base asset in one contract, by the exchange's own symbol; exchanges that count in base
        asset need none. See ``records.contract_sizes``.
    maintenance_rate : callable
        The first tier's maintenance rate [-] of one of our symbols, None where unknown.
        Bankruptcy prices become trigger prices with it.
    """

    symbols: frozenset[str] | None = None
    contract_sizes: Mapping[str, Decimal] = field(default_factory=dict)
    maintenance_rate: Callable[[str], float | None] = lambda _: None

    def wants(self, symbol: str | None) -> bool:
        """Return whether a symbol, None if it is none of ours, is wanted."""
        return symbol is not None and (self.symbols is None or symbol in self.symbols)


@dataclass(frozen=True, slots=True)
class Liquidations:
    """Data came: the liquidations in it, and how many rows were left out as not wanted.

    ``snapshot`` says that they are the latest there were, which come once more each time that one
    subscribes, and may be of any age.
    """

    liquidations: tuple[Liquidation, ...]
    left_out: int = 0
    snapshot: bool = False


@dataclass(frozen=True, slots=True)
class ControlAnswer:
    """The exchange answered: to a subscription, a ping, or the question whether all is well.

    ``topics`` are those that it says it sends, None where it does not say.
    """

    kind: Literal["acknowledgement", "pong", "liveness"]
    topics: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """The exchange refused something, in its own words; ``topic`` where it says which."""

    reason: str
    topic: str | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message that says nothing of interest."""


Message = Liquidations | ControlAnswer | Rejection | Ignored


@dataclass(frozen=True, slots=True)
class Ping:
    """Something to send every so many seconds; without a frame, a ping of the protocol itself."""

    every: float
    frame: Frame | None


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request: ``path`` goes behind the adapter's ``rest_url``, ``json`` is a body.

    ``limit`` names the one of the adapter's ``rate_limits`` that it counts against, and ``weight``
    is how much it counts. ``following`` returns, of the answer, the request for its next page, None
    if there is none; without it the answer is all there is.
    """

    path: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    method: Literal["GET", "POST"] = "GET"
    json: Mapping[str, Any] | None = None
    limit: str = "rest"
    weight: int = 1
    following: "Callable[[Text], Request | None] | None" = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most ``weight`` within any ``seconds``."""

    weight: int
    seconds: float


@dataclass(frozen=True, slots=True)
class HistoryLimit:
    """How far back an exchange answers: by time, by number of bars, or both.

    ``sentence`` tells the reader, and what to do for more.
    """

    sentence: str
    longest: timedelta | None = None
    bars: int | None = None

    def oldest(self, now: datetime, interval: timedelta | None = None) -> datetime | None:
        """Return the first time there is an answer for, None where there is no bound."""
        spans = [self.longest] if self.longest is not None else []
        if self.bars is not None and interval is not None:
            spans.append(self.bars * interval)
        return now - min(spans) if spans else None


@runtime_checkable
class ShowsPositions(Protocol):
    """What the adapter of an exchange provides, too, that shows everybody's positions.

    Attributes
    ----------
    users : tuple of str
        Those whose positions are wanted.
    users_note : str
        What is to be said of them before anything is asked for, empty if nothing is.
    """

    users: tuple[str, ...]
    users_note: str

    def positions(self, users: Sequence[str]) -> list[Request]:
        """Return one request for each user's open positions."""
        ...

    def read_positions(self, text: Text, user: str) -> list[ObservedPosition]:
        """Return a user's open positions."""
        ...


class Adapter(Protocol):
    """One exchange's addresses, subscriptions, requests and formats; no I/O, no state.

    Addresses are arguments of the constructor, so that tests and proxies can say others.
    """

    @property
    def exchange(self) -> str:
        """The exchange in our spelling."""
        ...

    @property
    def stream_url(self) -> str:
        """Where the stream is."""
        ...

    @property
    def rest_url(self) -> str:
        """What the paths of requests go behind."""
        ...

    @property
    def ping(self) -> Ping | None:
        """What keeps the connection open. Read it anew for each: it may hold the time."""
        ...

    @property
    def liveness(self) -> Ping | None:
        """A question that is always answered; None where the ping's answer is as good."""
        ...

    @property
    def silence(self) -> float:
        """Without any message for so long, answers included, the connection is dead. [s]"""
        ...

    @property
    def data_silence(self) -> float | None:
        """Without data for so long it is dead whatever it answers; None if it may be quiet. [s]"""
        ...

    @property
    def max_age(self) -> float | None:
        """The exchange closes connections of this age: renew before. [s]"""
        ...

    @property
    def rate_limits(self) -> Mapping[str, RateLimit]:
        """Limits by the names that requests give."""
        ...

    @property
    def history(self) -> Mapping[Kind, HistoryLimit]:
        """Kinds that do not go back to the listing."""
        ...

    @property
    def only_closed(self) -> bool:
        """Whether the exchange says which candles have closed, so that no others are returned."""
        ...

    @property
    def unavailable(self) -> Mapping[Kind, str]:
        """Kinds that are not offered, each with a sentence that ``NotOffered`` is raised with.

        With ``"liquidations"`` among them there is no stream to connect to.
        """
        ...

    def native(self, symbol: str) -> str | None:
        """Return the exchange's spelling of one of our symbols, None if it can have none."""
        ...

    def symbol(self, native: str) -> str | None:
        """Return our spelling of the exchange's symbol, None if it is no market of ours."""
        ...

    def topics(self, symbols: Sequence[str]) -> list[str]:
        """Return the topics that carry the symbols, as a liveness answer lists them."""
        ...

    def subscriptions(self, symbols: Sequence[str]) -> list[Frame]:
        """Return the messages that start the stream of liquidations.

        Raises
        ------
        NotOffered
            If the exchange has no such stream.
        ValueError
            If a symbol can't be the exchange's.
        """
        ...

    def parse(self, text: Text, received: datetime, context: Context) -> Message:
        """Return what a message of the stream says.

        Raises
        ------
        PayloadError
            And nothing else, whatever the text.
        """
        ...

    def candles(
        self, symbol: str, interval: timedelta, start: datetime, stop: datetime
    ) -> list[Request]:
        """Return requests for the candles that open in a range, page by page, oldest first.

        Candles that have not closed come back too if ``stop`` is later than the last one's open,
        unless ``only_closed``.
        """
        ...

    def read_candles(self, text: Text, symbol: str, interval: timedelta) -> list[Candle]:
        """Return the candles in an answer, oldest first."""
        ...

    def mark_candles(
        self, symbol: str, interval: timedelta, start: datetime, stop: datetime
    ) -> list[Request]:
        """Return requests for candles of the mark price, as ``candles`` does."""
        ...

    def read_mark_candles(self, text: Text, symbol: str, interval: timedelta) -> list[MarkCandle]:
        """Return the candles of the mark price in an answer, oldest first."""
        ...

    def open_interest_now(self, symbols: Sequence[str]) -> list[Request]:
        """Return requests for the open interest at this moment."""
        ...

    def read_open_interest_now(self, text: Text, received: datetime) -> list[OpenInterest]:
        """Return the open interest in an answer; it may hold symbols not asked for."""
        ...

    def open_interest_history(
        self, symbol: str, interval: timedelta, start: datetime, stop: datetime
    ) -> list[Request]:
        """Return requests for the open interest of a range, page by page, oldest first."""
        ...

    def read_open_interest_history(self, text: Text, symbol: str) -> list[OpenInterest]:
        """Return the open interest in an answer, oldest first."""
        ...

    def funding(self, symbol: str, start: datetime, stop: datetime) -> list[Request]:
        """Return requests for the funding rates of a range, page by page, oldest first."""
        ...

    def read_funding(self, text: Text, symbol: str) -> list[FundingRate]:
        """Return the funding rates in an answer, oldest first."""
        ...

    def tiers(self, symbols: Sequence[str]) -> list[Request]:
        """Return requests for the leverage tiers in force."""
        ...

    def read_tiers(self, text: Text, received: datetime, context: Context) -> list[Tiers]:
        """Return the leverage tiers in an answer, dated when it came."""
        ...

    def instruments(self) -> list[Request]:
        """Return requests for the list of markets."""
        ...

    def read_instruments(self, text: Text) -> list[Instrument]:
        """Return those markets in an answer that are open and that we have a symbol for."""
        ...
