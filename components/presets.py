"""Presets: what is assumed, what of it is shown and how, under one name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dash import html

from components import ids
from engine.models import DEFAULT_MODEL
from engine.summary import BLUR

CUSTOM_PRESET = "custom"
"""The preset whose assumptions the reader chooses."""
FITTED_PRESET = "fitted"
"""The preset whose assumptions are those of the market's newest fit."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A way to read the map.

    Attributes
    ----------
    name, label : str
        As in the address, and on the page.
    summary : str
        What it shows, in a sentence.
    assumptions : mapping of str to Any
        Assumptions that differ from the default model's own.
    lasting : bool
        Whether only what should still be open a day later is shown.
    floor : float
        Share of the colour scale below which nothing is drawn. [-]
    blur : float
        Width to which the picture is smoothed over price, of the last price. [-]
    """

    name: str
    label: str
    summary: str
    assumptions: Mapping[str, Any] = field(default_factory=dict)
    lasting: bool = False
    floor: float = 0.3
    blur: float = BLUR

    @property
    def intensity(self) -> tuple[int, int]:
        """Colour numbers drawn as least and as most, unless the reader chooses others."""
        return round(255 * self.floor), 255


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("default", "Default", "All open levels; slow holders keep theirs for days."),
        Preset(
            "lasting",
            "Lasting levels",
            "Only what should still be open in 24 hours: the steadiest zones.",
            lasting=True,
        ),
        Preset(
            "net-flow",
            "Net flow",
            "Levels from changes of open interest alone. Steadiest picture, no measured skill.",
            {"model": "time-evolving", "profile": "turning", "side_rule": "symmetric"},
        ),
        Preset(
            "coinglass-like",
            "CoinGlass-like",
            "Bursts at 25x, 50x and 100x on both sides, kept until price touches them.",
            {"model": "coinglass-like"},
            floor=0.85,
            blur=0.0,
        ),
        Preset(
            FITTED_PRESET,
            "Fitted",
            "The default with three numbers fitted to this market's liquidations.",
        ),
        Preset(
            CUSTOM_PRESET,
            "Custom",
            "Your own model, leverages and side rule, drawn as computed.",
            floor=0.0,
            blur=0.0,
        ),
    )
}
"""The presets by name; the first is the default."""

_SKILL_TITLE = (
    "Rank correlation of what the map says would be liquidated with what was, beyond what price "
    'and volume alone explain. "liqheat score" measures it; docs/scorecard.md explains it.'
)

DEFAULT_PRESET = next(iter(PRESETS))


def preset_choices() -> dict[str, dict[str, Any]]:
    """Return what the browser needs to know of each preset: colours, and where Custom begins."""
    return {
        preset.name: {
            "intensity": list(preset.intensity),
            "summary": preset.summary,
            "assumptions": {"model": DEFAULT_MODEL, **preset.assumptions},
        }
        for preset in PRESETS.values()
    }


def preset_note() -> html.Div:
    """Return the place of the chosen preset's summary, and of what its map was found to know."""
    skill = html.Span(id=ids.SKILL, className="skill", title=_SKILL_TITLE)
    return html.Div([html.Span(id=ids.PRESET_NOTE), skill], className="preset-note")
