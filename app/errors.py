"""What callers of the serving code handle."""

from collections.abc import Sequence


class NoData(LookupError):
    """Nothing is stored for what was asked; the message says how to load some."""


class UnknownExchange(ValueError):
    """An exchange that the program does not know; ``supported`` are those that it does."""

    def __init__(self, unknown: Sequence[str], supported: Sequence[str]) -> None:
        super().__init__(
            f"exchanges must be among {', '.join(supported)}, but {', '.join(unknown)} is not"
        )
        self.supported = tuple(supported)
