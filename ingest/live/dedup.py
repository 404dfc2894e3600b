"""Leaving out what an exchange sends again."""

import math
from collections import OrderedDict
from collections.abc import Hashable

WINDOW = 600.0
MOST = 200_000


class RecentKeys:
    """The keys of the last ten minutes, or fewer if there are too many to remember.

    A key's time begins anew whenever it is seen: what is repeated every nine minutes is left out
    for ever. ``forgotten`` counts keys that had to go before their time.
    """

    def __init__(self, window: float = WINDOW, most: int = MOST) -> None:
        self._window, self._most = window, most
        self._seen: OrderedDict[Hashable, float] = OrderedDict()
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, key: Hashable, now: float) -> bool:
        """Remember a key and return whether it is new. ``now`` must not fall. [s]"""
        self._forget(now)
        new = key not in self._seen
        self._seen[key] = now
        self._seen.move_to_end(key)
        while len(self._seen) > self._most:
            self._seen.popitem(last=False)
            self.forgotten += 1
        return new

    def remember_longer(self, most: int) -> None:
        """Forget none for its age from now on, but the oldest when there are more than ``most``."""
        self._window, self._most = math.inf, most

    def _forget(self, now: float) -> None:
        while self._seen:
            key, seen = next(iter(self._seen.items()))
            if now - seen < self._window:
                return
            del self._seen[key]
