"""Colours of the page around the heat, dark and light."""

from dataclasses import dataclass

from components.contrast import rgba


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours that the figure shares with ``assets/page.css``."""

    name: str
    paper: str
    plot: str
    ground: str
    text: str
    muted: str
    line: str
    long: str
    short: str
    tag: str
    tag_text: str

    @property
    def grid(self) -> str:
        """Grid lines, faint enough to lie under everything."""
        return rgba(self.muted, 0.16)


THEMES = {
    "dark": Theme(
        name="dark",
        paper="#0d1117",
        plot="#11161f",
        ground="#07090d",
        text="#e6eaf0",
        muted="#9aa5b4",
        line="#232b38",
        long="#2fc8a5",
        short="#ff7a7f",
        tag="#e6eaf0",
        tag_text="#0d1117",
    ),
    "light": Theme(
        name="light",
        paper="#ffffff",
        plot="#f3f5f8",
        ground="#f3f5f8",
        text="#131a24",
        muted="#566273",
        line="#dbe1e8",
        long="#067a61",
        short="#c62f3f",
        tag="#131a24",
        tag_text="#ffffff",
    ),
}
"""The themes by name; the first is the default."""

FONT = 'Inter, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", Arial, "DejaVu Sans", sans-serif'

EXCHANGE_COLOURS = {
    "binance": "#f0b90b",
    "bybit": "#ff7043",
    "okx": "#4aa8ff",
    "hyperliquid": "#9b59b6",
    "bitget": "#2dd4d9",
    "deribit": "#7bd88f",
}
"""The colour by which a reader knows an exchange again, on every page."""

EXCHANGE_NAMES = {"okx": "OKX", "bitmex": "BitMEX"}


def exchange_colour(exchange: str) -> str:
    """Return the exchange's colour, a grey for one without."""
    return EXCHANGE_COLOURS.get(exchange, "#8a94a6")


def exchange_name(exchange: str) -> str:
    """Return the exchange's name as people write it."""
    return EXCHANGE_NAMES.get(exchange, exchange.capitalize())
