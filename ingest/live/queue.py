"""What has come and was not taken yet."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")


class DroppingQueue(Generic[T]):
    """A queue of at most ``size`` items from which the oldest go when a newer one has no room.

    Putting never waits: who reads a socket must not be held up by who stores what it says.
    ``dropped`` counts what was lost; ``on_drop`` is called for each; ``wake`` is set by each
    item put, for who waits for several queues.
    """

    def __init__(
        self,
        name: str,
        size: int,
        on_drop: Callable[[], None] = lambda: None,
        wake: asyncio.Event | None = None,
    ) -> None:
        if size < 1:
            raise ValueError(f"a queue must hold at least 1 item, but its size is {size}")
        self._name, self._size, self._on_drop = name, size, on_drop
        self._items: deque[T] = deque()
        self._filled, self._wake = asyncio.Event(), wake
        self._overflowing = False
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        """Add an item, at the cost of the oldest if there is no room."""
        if len(self._items) >= self._size:
            self._items.popleft()
            self._count()
        self._items.append(item)
        self._filled.set()
        if self._wake is not None:
            self._wake.set()

    def take(self) -> T | None:
        """Return the oldest item, None if there is none."""
        if not self._items:
            return None
        item = self._items.popleft()
        if not self._items:
            self._filled.clear()
            self._recovered()
        return item

    async def filled(self) -> None:
        """Return as soon as there is something to take."""
        await self._filled.wait()

    def _count(self) -> None:
        self.dropped += 1
        self._on_drop()
        # Once when it begins, not for each: a flood must not become a flood of lines.
        if not self._overflowing:
            self._overflowing = True
            logger.warning(
                "%s: more than %d records are waiting to be stored, the oldest are dropped; "
                "dropped so far: %d",
                self._name,
                self._size,
                self.dropped,
            )

    def _recovered(self) -> None:
        if self._overflowing:
            self._overflowing = False
            logger.warning("%s: keeping up again; records dropped: %d", self._name, self.dropped)
