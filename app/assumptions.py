"""Assumptions about a market: each parameter once, for page, interface and commands."""

from dataclasses import fields
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from engine.models import DEFAULT_MODEL, MODELS, FlowModel, find_model, members_of
from engine.parameters import Closing, Entry, Opening, Parameters, SideRule
from engine.profiles import PROFILES, parse_profile

ENGINE_NAMES = {"margin": "reference_notional"}
"""What the engine calls a parameter, where that is not what a reader calls it."""


def reader_name(name: str) -> str:
    """Return what readers call a parameter of the engine."""
    return next((ours for ours, theirs in ENGINE_NAMES.items() if theirs == name), name)


def _known_model(name: str) -> str:
    find_model(name)
    return name


def _known_profile(text: str | None) -> str | None:
    if text:
        parse_profile(text)
    return text


def _known_members(text: str | None) -> str | None:
    if text:
        members_of(text)
    return text


def _own(description: str, **bounds: Any) -> Any:
    """Return a field that keeps the model's own value unless one is given."""
    return Field(default=None, description=f"{description}; the model's own if left out", **bounds)


def _share(description: str) -> Any:
    return _own(f"{description}, 0 to 1", ge=0.0, le=1.0)


class Assumptions(BaseModel):
    """A model, and the parameters in which it is changed.

    Each field becomes a parameter of links, interface, commands and answers.
    """

    model_config = ConfigDict(frozen=True)

    model: Annotated[
        str,
        AfterValidator(_known_model),
        WithJsonSchema({"type": "string", "enum": list(MODELS)}),
    ] = Field(default=DEFAULT_MODEL, description=f"how levels come and go: {', '.join(MODELS)}")
    profile: Annotated[str | None, AfterValidator(_known_profile)] = _own(
        f"leverage profile: {', '.join(PROFILES)}, a list like 5:0.4,20:0.6, or turning:100, which "
        "ends at 100x",
        max_length=1000,
    )
    side_rule: SideRule | None = _own("which share of a side's openings is levered")
    members: Annotated[str | None, AfterValidator(_known_members)] = _own(
        "of model ensemble, the models of which it is the mean, with weights, like "
        "two-speed:2,layered:1",
        max_length=1000,
    )
    opening: Opening | None = _own(
        "what opens levels: flow of open interest, its rises, volume, or the bursts of these; all "
        "but flow need closing none"
    )
    funding: bool | None = _own("whether funding that positions pay or receive moves their levels")
    maintenance: bool | None = _own("whether liquidation leaves the exchange's maintenance margin")
    turnover: float | None = _share("share of volume that is positions changing hands")
    slow_of_net: float | None = _share("with two speeds, share of net openings by slow holders")
    slow_of_turnover: float | None = _share("with two speeds, share of turnover by slow holders")
    speed_ratio: float | None = _own(
        "with two speeds, how fast slow holders close over how fast others do, above 0 to 1",
        gt=0.0,
        le=1.0,
    )
    layering: float | None = _own(
        "with layers, power of the leverage that holders' speed of closing grows with, 0 to 5",
        ge=0.0,
        le=5.0,
    )
    closing: Closing | None = _own(
        "which levels shrink as positions close; with several speeds proportional only"
    )
    entry: Entry | None = _own("price at which a bar's positions are opened")
    margin: float | None = _own(
        "notional of a position, which chooses the leverage tier; 0 is the first tier [quote]",
        ge=0.0,
        allow_inf_nan=False,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_the_models_own(cls, value: Any, info: ValidationInfo) -> Any:
        return None if value == "" and info.field_name in PARAMETERS else value

    def changes(self) -> dict[str, Any]:
        """Return the model's name and the changes, as keywords for any `Assumptions`."""
        chosen = {name: getattr(self, name) for name in Assumptions.model_fields}
        return {name: value for name, value in chosen.items() if value is not None}

    def assumed(self) -> FlowModel:
        """Return the model with the changes; ``ValueError`` if they contradict each other."""
        changes = self.changes()
        model = changes.pop("model")
        if "profile" in changes:
            changes["profile"] = parse_profile(changes["profile"])
        return find_model(
            model, **{ENGINE_NAMES.get(name, name): value for name, value in changes.items()}
        )

    def in_force(self) -> dict[str, Any]:
        """Return the model's name and all its parameters, changed or not."""
        model = self.assumed()
        values = {field.name: getattr(model.parameters, field.name) for field in fields(Parameters)}
        values["profile"] = str(values["profile"])
        return {"model": model.name} | {reader_name(name): values[name] for name in values}


PARAMETERS = tuple(name for name in Assumptions.model_fields if name != "model")
"""Parameters of a model that may be changed."""
