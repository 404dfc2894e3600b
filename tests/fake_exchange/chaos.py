"""Random faults, and an account of what was delivered in spite of them."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from random import Random
from typing import Any

from ingest.live.connection import LARGEST
from ingest.records import Liquidation
from tests.fake_exchange.clock import ManualClock, until
from tests.fake_exchange.running import identity, liquidations
from tests.fake_exchange.server import FakeExchange, Happened

GARBAGE = (
    "",
    "null",
    "[" * 5000,
    '{"topic":"allLiquidation.BTC',
    "\x00\x01",
    b"\xff\x00",
    "}{" * 999,
)
UNKNOWN = (
    '{"e":"aggTrade","s":"BTCUSDT","p":"1"}',
    '{"topic":"tickers.BTCUSDT","data":{"symbol":"BTCUSDT"}}',
    '{"arg":{"channel":"status"},"data":[]}',
    '{"channel":"l2Book","data":{"coin":"BTC"}}',
    '{"event":"notice","code":"64008","msg":"The connection will soon be closed"}',
)
FAULTS = (
    "drop",
    "drop_within",
    "close",
    "silence",
    "refuse",
    "vanish",
    "garbage",
    "broken_frame",
    "unknown",
    "huge",
)
"""What goes wrong; ``quiet`` can be added: answers, but no data, for minutes."""


class Account:
    """What was delivered and what came out; only what does not agree yet takes memory."""

    def __init__(self, fakes: list[FakeExchange]) -> None:
        self._fakes = fakes
        self._open: Counter[Any] = Counter()
        self.delivered = self.yielded = 0

    def take(self, record: Liquidation) -> None:
        """Note a record that came out."""
        self.yielded += 1
        self._add((record.exchange, *identity(record)), -1)

    def deliver(self) -> None:
        """Note, once, what the exchanges have delivered since."""
        for fake in self._fakes:
            for event in fake.delivered:
                self.delivered += 1
                self._add((fake.name, *event.identity), 1)
            fake.delivered.clear()

    def lost(self) -> int:
        """Return how many events were delivered and have not come out."""
        return sum(count for count in self._open.values() if count > 0)

    def doubled(self) -> int:
        """Return how many came out that were delivered less often, or never."""
        return -sum(count for count in self._open.values() if count < 0)

    def _add(self, one: Any, count: int) -> None:
        self._open[one] += count
        if not self._open[one]:
            del self._open[one]


@dataclass
class Chaos:
    """Publishes through one fake exchange and lets something go wrong now and then.

    ``kinds`` names what may; ``faults`` counts what did, by name; ``published`` is what happened,
    heard or not.
    """

    fake: FakeExchange
    random: Random
    share: float = 0.02
    kinds: Sequence[str] = FAULTS
    published: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    _events: Iterator[Happened] | None = None
    _before: list[Happened] = field(default_factory=list)

    @property
    def clock(self) -> ManualClock:
        return self.fake.clock

    async def play(self, events: int, batch: int = 3) -> None:
        """Publish so many events, with faults in between, and end well."""
        goal = self.published + events
        while self.published < goal:
            await self.publish(self.random.randint(1, min(batch, goal - self.published)))
            if self.random.random() < self.share:
                await self.fault()
                if self.random.random() < 0.8:
                    await self.recovery()
            await asyncio.sleep(0)
        self.heal()

    async def recovery(self) -> None:
        """Wait until there is somebody who listens."""
        # On a machine that is busy, waits of minutes by the clock take their time.
        what = f"a client of {self.fake.name}"
        await until(lambda: any(self.fake.topics.values()), what, patience=300)

    async def publish(self, count: int) -> None:
        """Publish some events, sometimes twice, sometimes with what was published before."""
        if self._events is None:
            self._events = liquidations(self.clock)
        events = list(islice(self._events, count))
        self.published += count
        if self.random.random() < 0.1 and self._before:
            events += self._before
        self.random.shuffle(events)
        await self.fake.publish(*events, copies=self.random.choice((1, 1, 1, 2)))
        self._before = events[:count]

    async def fault(self) -> None:
        """Let one thing go wrong."""
        name = self.random.choice(self.kinds)
        self.faults[name] += 1
        await getattr(self, f"_{name}")()

    def heal(self) -> None:
        """Let the exchange behave from now on."""
        script = self.fake.script
        script.status, script.answer, script.deliver = 101, True, True

    async def _drop(self) -> None:
        await self.fake.drop()

    async def _drop_within(self) -> None:
        await self.fake.drop(after=b"\x81\x7e\x04\x00half a message")

    async def _close(self) -> None:
        victims = self.fake.open
        await self.fake.close(self.random.choice((1000, 1001, 1011, 1012, 4004)), "chaos")
        await self.fake.gone(victims)

    async def _silence(self) -> None:
        self.fake.script.answer = self.fake.script.deliver = False
        await self.clock.sleep(self.random.uniform(10, 200))
        self.heal()

    async def _quiet(self) -> None:
        self.fake.script.deliver = False
        await self.clock.sleep(self.random.uniform(60, 900))
        self.heal()

    async def _refuse(self) -> None:
        self.fake.script.status = self.random.choice((403, 418, 429, 500, 503))
        await self.fake.drop()
        await self.clock.sleep(self.random.uniform(1, 60))
        self.heal()

    async def _vanish(self) -> None:
        await self.fake.drop()
        await self.fake.vanish()
        await self.clock.sleep(self.random.uniform(1, 30))
        await self.fake.listen()

    async def _garbage(self) -> None:
        await self.fake.say(self.random.choice(GARBAGE))

    async def _unknown(self) -> None:
        await self.fake.say(self.random.choice(UNKNOWN))

    async def _huge(self) -> None:
        victims = self.fake.open
        await self.fake.say("[" + " " * LARGEST + "]")
        await self.fake.gone(victims)

    async def _broken_frame(self) -> None:
        victims = self.fake.open
        await self.fake.say_raw(b"\xf3\x00")
        await self.fake.gone(victims)
