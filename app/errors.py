"""What callers of the serving code handle."""


class NoData(LookupError):
    """Nothing is stored for what was asked; the message says how to load some."""
