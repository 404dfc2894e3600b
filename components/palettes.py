"""Colours of the heat, and those that stay readable on them."""

from dataclasses import dataclass

from components.contrast import rgba

_GROUND = 0.003
"""Share of the colours that shows the ground: less than one of 256 colour numbers."""


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours from nothing to most.

    Attributes
    ----------
    name : str
        As in the address.
    knots : tuple of str
        Evenly spaced ``#rrggbb``, first for the least.
    consumed : str
        Colour of liquidated levels: one that the palette itself does not have.
    """

    name: str
    knots: tuple[str, ...]
    consumed: str

    def colorscale(self, ground: str) -> list[list[float | str]]:
        """Return the knots as Plotly wants them, over a ground where the least is not exceeded."""
        last = len(self.knots) - 1
        scale: list[list[float | str]] = [[0.0, ground], [_GROUND, ground]]
        return scale + [[max(i / last, _GROUND), knot] for i, knot in enumerate(self.knots)]

    def consumed_colorscale(self) -> list[list[float | str]]:
        """Return a scale from transparent at zero to the full colour."""
        return [
            [0.0, rgba(self.consumed, 0)],
            [0.2, rgba(self.consumed, 0.75)],
            [1.0, rgba(self.consumed, 1)],
        ]

    def swatch(self) -> str:
        """Return a CSS gradient of all colours."""
        return f"linear-gradient(to right, {', '.join(self.knots)})"

    def gradient(self) -> str:
        """Return a CSS gradient from the custom property ``--low`` to ``--high``, over a ground."""
        last = len(self.knots) - 1
        stops = ", ".join(
            f"{knot} calc(var(--low) + (var(--high) - var(--low)) * {i / last:.4g})"
            for i, knot in enumerate(self.knots)
        )
        return f"linear-gradient(to right, var(--ground) var(--low), {stops})"


PALETTES = {
    palette.name: palette
    for palette in (
        Palette("viridis", ("#440154", "#297090", "#1fa084", "#49c161", "#f1e805"), "#ff4fa3"),
        Palette(
            "cividis", ("#00224e", "#35456c", "#666970", "#948e77", "#c8b866", "#fee838"), "#ff5d6c"
        ),
        Palette(
            "inferno", ("#000004", "#420a68", "#932667", "#dd513a", "#fca50a", "#fcffa4"), "#41e4ff"
        ),
        Palette(
            "magma", ("#000004", "#3b0f70", "#8c2981", "#de4968", "#fe9f6d", "#fcfdbf"), "#41e4ff"
        ),
        Palette("greys", ("#0d0f12", "#3b3e43", "#72757a", "#b0b3b8", "#f5f6f7"), "#ff4fa3"),
    )
}
"""The palettes by name; the first is the default."""

CASING = "#07090d"
"""Dark rim of everything drawn over the heat: where a fill is too close, its rim is not."""

RISING, FALLING = "#ffffff", "#a3b4cf"
"""Fill of candles that closed above and below their open."""

LONG_CLOSED, SHORT_CLOSED = "#ffb454", "#7cd7ff"
"""Fill of realised liquidations of long and of short positions."""

LONG_HELD, SHORT_HELD = "#ffcb85", "#a9e3ff"
"""Lines of observed long and short positions: hues as of their liquidations, but lighter."""
