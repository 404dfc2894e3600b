"""The reader's choices, and the address that holds them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self
from urllib.parse import parse_qsl, urlencode

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from app.assumptions import PARAMETERS, Assumptions
from app.validation import complaint
from components.controls import CUSTOM, WINDOWS
from components.figure import LAYERS
from components.palettes import PALETTES
from components.presets import CUSTOM_PRESET, DEFAULT_PRESET, PRESETS
from components.scales import MAPPINGS
from components.theme import THEMES

DEFAULT_WINDOW = "7d"
_ASSUMED = frozenset(Assumptions.model_fields)


def _one_of(*allowed: str) -> AfterValidator:
    def check(value: str) -> str:
        value = value.lower()  # a link that a person wrote may have "Inferno"
        if value not in allowed:
            raise ValueError(f"it must be one of {', '.join(a for a in allowed if a)}")
        return value

    return AfterValidator(check)


def _in_utc(value: Any) -> Any:
    # A field of the page, and a person, write no zone; every time here is UTC.
    if isinstance(value, str) and value:
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("it must be a time in UTC like 2026-02-05T12:00") from None
        return time if time.tzinfo else time.replace(tzinfo=UTC)
    return value or None


UtcTime = Annotated[AwareDatetime, BeforeValidator(_in_utc)]


class Zoom(BaseModel):
    """Ranges of the figure's axes."""

    model_config = ConfigDict(frozen=True)

    start: UtcTime
    stop: UtcTime
    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if not (self.start < self.stop and self.low < self.high):
            raise ValueError("it must begin before it ends, in time and in price")
        if self.high <= 0.0:
            raise ValueError("prices are above zero")
        return self

    def suits(self, price: float) -> bool:
        """Return whether it shows prices of the order of a market's, a thousandfold about it."""
        # An axis may be dragged below zero, but not by more than it can show above.
        return price / 1e3 <= self.high <= price * 1e3 and self.low >= -price * 1e3


class PageState(Assumptions):
    """All that a reader can choose on the heatmap page; an address reproduces it.

    An empty ``exchanges`` means all. Without ``live`` the picture does not follow new data.
    """

    symbol: str = ""
    exchanges: tuple[str, ...] = ()
    window: Annotated[str, _one_of(*WINDOWS, CUSTOM)] = DEFAULT_WINDOW
    start: UtcTime | None = None
    stop: UtcTime | None = None
    preset: Annotated[str, _one_of(*PRESETS)] = DEFAULT_PRESET
    mapping: Annotated[str, _one_of(*MAPPINGS)] = MAPPINGS[0]
    palette: Annotated[str, _one_of(*PALETTES)] = next(iter(PALETTES))
    layers: tuple[Annotated[str, _one_of(*LAYERS)], ...] = LAYERS
    intensity: tuple[int, int] | None = None
    zoom: Zoom | None = None
    theme: Annotated[str, _one_of(*THEMES)] = next(iter(THEMES))
    live: bool = True
    compact: bool = False

    @model_validator(mode="before")
    @classmethod
    def _presets_assume_for_themselves(cls, values: dict[str, Any]) -> dict[str, Any]:
        if values.get("preset", DEFAULT_PRESET) == CUSTOM_PRESET:
            return values
        return {name: value for name, value in values.items() if name not in _ASSUMED}

    @field_validator("start", "stop", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return value or None

    @field_validator("layers")
    @classmethod
    def _in_drawing_order(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(layer for layer in LAYERS if layer in value)

    @field_validator("intensity")
    @classmethod
    def _within_the_colours(cls, value: tuple[int, int] | None) -> tuple[int, int] | None:
        if value and not 0 <= value[0] < value[1] <= 255:
            raise ValueError("it must be two colour numbers, 0 to 255, ascending, like 20-200")
        return value

    def assumptions(self) -> dict[str, Any]:
        """Return what the picture assumes: the preset's, or the reader's own."""
        if self.preset != CUSTOM_PRESET:
            return dict(PRESETS[self.preset].assumptions)
        return self.changes()

    @property
    def colours(self) -> tuple[int, int]:
        """Colour numbers drawn as least and as most: the reader's, else the preset's."""
        return self.intensity or PRESETS[self.preset].intensity


# How each choice is written in the address, and read from it.
_WRITERS: dict[str, Any] = {
    "exchanges": ",".join,
    "start": lambda time: _short_time(time),
    "stop": lambda time: _short_time(time),
    "layers": lambda layers: ",".join(layers) or "none",
    "intensity": lambda pair: f"{pair[0]}-{pair[1]}",
    "live": lambda on: "on" if on else "off",
    "zoom": lambda zoom: "~".join(
        (_short_time(zoom.start), _short_time(zoom.stop), f"{zoom.low:.8g}", f"{zoom.high:.8g}")
    ),
}
_READERS: dict[str, Any] = {
    "exchanges": lambda text: _split(text.lower(), ","),
    **dict.fromkeys(Assumptions.model_fields, str.lower),
    "layers": lambda text: () if text.lower() == "none" else _split(text, ","),
    "intensity": lambda text: text.split("-"),
    "live": lambda text: {"on": True, "off": False}.get(text.lower()),
    "zoom": lambda text: dict(zip(("start", "stop", "low", "high"), text.split("~"), strict=True)),
}
_EXAMPLES = {
    "live": "on or off",
    "start": "2026-02-05T12:00",
    "stop": "2026-02-05T12:00",
    "intensity": "20-200",
    "zoom": "2026-02-05T12:00~2026-02-06T12:00~61000~64500",
}
_FIRST = ("symbol", "exchanges", "window", "start", "stop", "preset")
_IN_ADDRESS = (
    *_FIRST,
    *(name for name in PageState.model_fields if name not in (*_FIRST, "compact")),
)


def write_search(state: PageState) -> str:
    """Return the query of an address that reproduces the state; defaults are left out."""
    plain = PageState()
    own_colours = state.colours != PRESETS[state.preset].intensity
    chosen = {
        name: _WRITERS.get(name, str)(getattr(state, name))
        for name in _IN_ADDRESS
        if getattr(state, name) != getattr(plain, name) and (name != "intensity" or own_colours)
    }
    return "?" + urlencode(chosen, safe=",:~") if chosen else ""


def read_search(search: str) -> tuple[PageState, list[str]]:
    """Return the state in an address's query, and a sentence for each part that was ignored."""
    chosen: dict[str, Any] = {}
    problems = []
    for name, text in parse_qsl(search.removeprefix("?"), keep_blank_values=True):
        try:
            if name not in _IN_ADDRESS:
                raise ValueError("the page knows no such choice")
            value = _READERS.get(name, str)(text)
            PageState.model_validate({"preset": CUSTOM_PRESET, name: value})
            chosen[name] = value
        except ValidationError as e:
            problems.append(_ignored(name, text, _reason(name, e)))
        except ValueError as e:
            # A zoom of other than four parts is reported by `zip`.
            problems.append(
                _ignored(
                    name, text, str(e) if name != "zoom" else "it needs two times and two prices"
                )
            )
    if "preset" not in chosen and _ASSUMED & set(chosen):
        chosen["preset"] = CUSTOM_PRESET  # as links were written before there were presets
    state = PageState.model_validate(chosen)
    return _with_complete_range(state, problems)


def _reason(name: str, error: ValidationError) -> str:
    problem = error.errors()[0]
    if problem["type"] == "value_error":  # a validator of ours, which says it all
        return problem["msg"].removeprefix("Value error, ")
    if name in _EXAMPLES:
        return f"it must be like {_EXAMPLES[name]}"
    return f"it {complaint(problem['msg'])}" if name in PARAMETERS else "it can't be read"


def stored_state(stored: Mapping[str, Any]) -> tuple[PageState, list[str]]:
    """Return the state that the page holds, and a sentence for each choice that is none.

    Such a choice is replaced by the default: a page that asks wrongly is still answered.
    """
    try:
        return PageState.model_validate(stored), []
    except ValidationError as e:
        wrong = list(dict.fromkeys(str(error["loc"][0]) for error in e.errors()))
    sound = {name: value for name, value in stored.items() if name not in wrong}
    problems = [f"Unknown {name.replace('_', ' ')}; showing the default instead." for name in wrong]
    return PageState.model_validate(sound), problems


def _with_complete_range(state: PageState, problems: list[str]) -> tuple[PageState, list[str]]:
    if state.window != CUSTOM and (state.start or state.stop):
        # A range in the address says enough without window=custom.
        state = state.model_copy(update={"window": CUSTOM})
    if state.window == CUSTOM and not (state.start and state.stop and state.start < state.stop):
        problems.append("The range in the link needs a start before a stop; it was ignored.")
        state = state.model_copy(
            update={"window": DEFAULT_WINDOW, "start": None, "stop": None, "zoom": None}
        )
    return state, problems


def _ignored(name: str, text: str, reason: str) -> str:
    shown = text if len(text) <= 40 else text[:39] + "…"
    return f"“{name}={shown}” in the link was ignored: {reason}."


def visible_range(state: PageState, extent: tuple[datetime, datetime]) -> tuple[datetime, datetime]:
    """Return the range of the chosen window, ended by the stored data.

    Raises
    ------
    ValueError
        If a custom range is not complete.
    """
    first, last = extent
    if state.window != CUSTOM:
        return max(first, last - timedelta(hours=WINDOWS[state.window])), last
    if state.start is None or state.stop is None:
        raise ValueError("A custom range needs a start and a stop (UTC)")
    if not state.start < state.stop:
        raise ValueError("The start of the range must be before its stop")
    return state.start, state.stop


def asked_start(state: PageState, stop: datetime) -> datetime | None:
    """Return where the reader wants the picture to begin, stored or not; data end at ``stop``."""
    if state.zoom is not None:
        return state.zoom.start
    if state.window == CUSTOM:
        return state.start
    return stop - timedelta(hours=WINDOWS[state.window])


def _short_time(time: datetime) -> str:
    text = time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return text.removesuffix(":00")


def _split(text: str, separator: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(separator) if part)
