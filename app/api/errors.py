"""Errors of the interface as JSON that says what was asked wrongly and what to do."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from app.errors import NoData, UnknownExchange

log = logging.getLogger(__name__)


class Problem(BaseModel):
    """Why there is no answer."""

    detail: str


class UnknownExchangeProblem(Problem):
    """Why there is no answer, and the exchanges that there are."""

    supported: list[str]


class FieldProblem(BaseModel):
    """What is wrong with one parameter."""

    loc: list[str | int]
    msg: str
    type: str
    input: Any = None


class FieldProblems(BaseModel):
    """What is wrong with the parameters."""

    detail: list[FieldProblem]


RESPONSES: dict[int | str, dict[str, Any]] = {
    304: {"description": "What the client has (`If-None-Match`) is still so."},
    400: {"model": UnknownExchangeProblem, "description": "An exchange is not supported."},
    404: {"model": Problem, "description": "Nothing is stored for it; says how to load some."},
    422: {"model": FieldProblems, "description": "A parameter can't be; says what is allowed."},
}
"""What every route about stored data may answer beside its own."""


def install(server: FastAPI) -> None:
    """Turn errors that a caller causes into answers."""
    for kind, answer in _ANSWERS.items():
        server.add_exception_handler(kind, answer)


def response_to(request: Request, error: Exception) -> Response | None:
    """Return the answer to an error that a caller caused, None to any other."""
    for kind in type(error).__mro__:
        if kind in _ANSWERS:
            return _ANSWERS[kind](request, error)
    return None


def json_response(content: Any, status: int = 200) -> Response:
    """Return a JSON answer; numbers that are none become null."""
    return Response(orjson.dumps(content, default=str), status, media_type="application/json")


def _no_data(_request: Request, error: Exception) -> Response:
    return json_response({"detail": str(error)}, 404)


def _unknown_exchange(_request: Request, error: Exception) -> Response:
    assert isinstance(error, UnknownExchange)
    return json_response({"detail": str(error), "supported": list(error.supported)}, 400)


def _bad_parameters(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError | ValidationError)
    return json_response({"detail": [_problem(each) for each in error.errors()]}, 422)


def _bad_value(request: Request, error: Exception) -> Response:
    # Also what is wrong here and looks as if the caller were, so where it comes from is kept.
    log.info("%s was refused: %s", request.url, error, exc_info=error)
    return json_response(
        {"detail": [{"loc": ["query"], "msg": str(error), "type": "value_error"}]}, 422
    )


def _problem(error: Any) -> dict[str, Any]:
    place: Sequence[str | int] = error["loc"]
    if not place or place[0] not in ("query", "path", "header"):
        place = ("query", *place)
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = "There is no such parameter; see /docs for those that there are"
    shown = error["input"] if isinstance(error["input"], str | int | float) else None
    return {"loc": list(place), "msg": message, "type": error["type"], "input": shown}


_ANSWERS: dict[type, Callable[[Request, Exception], Response]] = {
    NoData: _no_data,
    UnknownExchange: _unknown_exchange,
    RequestValidationError: _bad_parameters,
    ValidationError: _bad_parameters,
    ValueError: _bad_value,
}
