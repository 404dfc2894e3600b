"""How well two colours can be told apart (WCAG 2.2)."""


def rgb(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue, 0 to 255, of ``#rrggbb``."""
    if len(colour) != 7 or colour[0] != "#":
        raise ValueError(f"a colour is written #rrggbb, but is {colour!r}")
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue


def rgba(colour: str, alpha: float) -> str:
    """Return ``#rrggbb`` as CSS with an opacity."""
    red, green, blue = rgb(colour)
    return f"rgba({red},{green},{blue},{alpha:g})"


def luminance(colour: str) -> float:
    """Return the relative luminance, 0 for black to 1 for white. [-]"""
    red, green, blue = (_linear(channel / 255) for channel in rgb(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast_ratio(a: str, b: str) -> float:
    """Return the contrast of two colours, 1 for the same to 21 for black on white. [-]"""
    dark, light = sorted((luminance(a), luminance(b)))
    return (light + 0.05) / (dark + 0.05)


def _linear(channel: float) -> float:
    # The exact joint of the two pieces of the sRGB curve is of no matter at 8 bits.
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)
