from typing import Annotated, Literal, Self

import pytest
from pydantic import BaseModel, Field, ValidationError, model_validator

from app.validation import sentence


class Request(BaseModel):
    """What a caller may ask for."""

    symbol: Annotated[str, Field(min_length=1)] = "BTCUSDT"
    bins: Annotated[int, Field(ge=1, le=2000)] = 400
    rule: Literal["candle", "taker"] = "candle"
    weights: dict[str, float] = {}
    start: int = 0
    stop: int = 1

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.start >= self.stop:
            raise ValueError(f"start must be before stop, but is {self.start}")
        return self


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"bins": "x"}, "bins must be a valid integer, but is 'x'"),
        ({"bins": 0}, "bins must be greater than or equal to 1, but is 0"),
        ({"symbol": ""}, "symbol must have at least 1 character, but is ''"),
        ({"rule": "coin"}, "rule must be 'candle' or 'taker', but is 'coin'"),
        ({"weights": {"5x": "a"}}, "weights.5x must be a valid number, but is 'a'"),
        ({"start": 2}, "start must be before stop, but is 2"),
        ({"bins": "9" * 999 + "x"}, f"bins must be a valid integer, but is '{'9' * 199}…"),
        (
            {"bins": 0, "rule": 1},
            "bins must be greater than or equal to 1, but is 0; "
            "rule must be 'candle' or 'taker', but is 1",
        ),
    ],
)
def test_complaints_become_sentences(fields, expected):
    with pytest.raises(ValidationError) as caught:
        Request(**fields)
    assert sentence(caught.value) == expected


def test_fields_are_called_as_the_reader_calls_them():
    with pytest.raises(ValidationError) as caught:
        Request(bins=0)
    assert sentence(caught.value, "--{}".format).startswith("--bins must be")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "no JSON: '{'"),
        ("[]", "must be an object, but is []"),
        ("x" * 999, f"no JSON: '{'x' * 199}…"),
    ],
)
def test_what_has_no_fields_is_told_without_a_name(text, expected):
    with pytest.raises(ValidationError) as caught:
        Request.model_validate_json(text)
    assert sentence(caught.value) == expected
