"""The frame around every answer, and around errors."""

from collections.abc import Callable, Coroutine
from typing import Any, Generic, Literal, TypeVar

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from app.api.errors import json_response, response_to

Data = TypeVar("Data")


class Success(BaseModel, Generic[Data]):
    """An answer."""

    code: Literal["0"]
    msg: Literal["success"]
    data: Data
    meta: dict[str, Any] = Field(description="ours: what it was computed from, and how")


class Failure(BaseModel):
    """Why there is no answer."""

    code: str = Field(description="the HTTP status")
    msg: str
    detail: Any = Field(description="as in answers outside of this interface")


FAILURES: dict[int | str, dict[str, Any]] = {
    304: {"description": "What the client has (`If-None-Match`) is still so."},
    400: {"model": Failure, "description": "An exchange is not supported."},
    404: {"model": Failure, "description": "Nothing is stored for it; says how to load some."},
    422: {"model": Failure, "description": "A parameter can't be; says what is allowed."},
}


def success(data: Any, meta: dict[str, Any]) -> dict[str, Any]:
    """Return an answer in its frame."""
    return {"code": "0", "msg": "success", "data": data, "meta": meta}


class EnvelopeRoute(APIRoute):
    """A route whose errors have a code and a message, as its clients expect."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, with errors that the caller caused in the frame."""
        answer = super().get_route_handler()

        async def answer_or_tell(request: Request) -> Response:
            try:
                return await answer(request)
            except Exception as e:
                response = response_to(request, e)
                if response is None:
                    raise
                return _failure(response)

        return answer_or_tell


def _failure(response: Response) -> Response:
    content = orjson.loads(response.body)
    frame = {"code": str(response.status_code), "msg": _sentence(content["detail"])}
    return json_response(frame | content, response.status_code)


def _sentence(detail: Any) -> str:
    if isinstance(detail, str):
        return detail
    return "; ".join(_of_field(problem) for problem in detail)


def _of_field(problem: dict[str, Any]) -> str:
    _, *names = problem["loc"]
    return ": ".join((*map(str, names), problem["msg"]))
