"""What the interface's description (OpenAPI) says of all routes alike."""

import re
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.api.answers import MEDIA_TYPES
from app.api.errors import Problem
from app.api.parameters import parameter_name
from app.api.score import allow_null
from app.assumptions import Assumptions
from app.settings import Settings
from app.web.access import OPEN

ABOUT = """Where leveraged positions would be liquidated, estimated from what is stored here.

Times are UTC. Spans are half-open: `start_time` belongs to them, `end_time` does not; left out, the
span ends with the data. `meta` in an answer says from what it was computed, how, and in which
units. A parameter that can't be is answered with 422, and with what is allowed.
"""

TAGS = {
    "heatmap": "The map over time.",
    "moment": "The map at one moment.",
    "realised": "Liquidations that happened.",
    "stored": "What is stored, and how well.",
    "CoinGlass v4": "The same in the shapes of CoinGlass's interface, for clients made for it.",
    "operations": "The server itself.",
}

_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "description": "`LIQHEAT_API_TOKEN`"},
    "login": {
        "type": "http",
        "scheme": "basic",
        "description": "`LIQHEAT_LOGIN`, or the token as password of any user",
    },
}
_TEXT = {"schema": {"type": "string"}}
_KEPT = {
    "ETag": {
        "description": "Names this answer; send it as `If-None-Match` to be told of changes only",
        "required": True,
        **_TEXT,
    },
    "Cache-Control": {"description": "How long a client may keep it", "required": True, **_TEXT},
}
_FORMAT = "of the answer; csv and parquet are tables, without `meta`"
_EXAMPLES = {"symbol": "BTCUSDT", "exchange": "binance"}
_FIRST = ("symbol", "exchanges", "exchange", "exchange_list", "time", "start_time", "end_time")
_LAST = (*map(parameter_name, Assumptions.model_fields), "format", "limit", "cursor")
_LINK = {"Link": {"description": "Address of the next page; absent on the last one", **_TEXT}}
_WAIT = {"Retry-After": {"description": "Seconds to wait", "required": True, **_TEXT}}


def operation_id(route: APIRoute) -> str:
    """Return the name that a generated client calls a route by: its path as one word."""
    methods = sorted((route.methods or set()) - {"GET"})
    path = route.path_format.replace("/api/futures/liquidation", "/coinglass")
    return "_".join(re.findall(r"[a-z0-9]+", "/".join((*methods, path)).lower()))


def describe(server: FastAPI, settings: Settings) -> None:
    """Complete the server's description by what stands before its routes and what all answer.

    Parameters
    ----------
    server : FastAPI
        Has the routes, or will have them when it is asked for the description.
    settings : Settings
        Whether credentials are asked for, and how often a client may ask.
    """
    routes_only = server.openapi

    def openapi() -> dict[str, Any]:
        document = routes_only()
        _add_components(document, settings)
        for path, methods in document.get("paths", {}).items():
            for operation in methods.values():
                _complete(operation, path, settings)
        return document

    server.openapi = openapi  # type: ignore[method-assign]


def _add_components(document: dict[str, Any], settings: Settings) -> None:
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).setdefault("Problem", Problem.model_json_schema())
    allow_null(components["schemas"])
    if _asks(settings):
        components["securitySchemes"] = _SCHEMES


def _complete(operation: dict[str, Any], path: str, settings: Settings) -> None:
    parameters = {each["name"] for each in operation.get("parameters", ())}
    for parameter in operation.get("parameters", ()):
        _complete_parameter(parameter)
    operation.get("parameters", []).sort(key=_place)
    responses = operation["responses"]
    found = responses["200"]
    if found["description"] == "Successful Response":
        found["description"] = "What was asked for."
    if "format" in parameters:
        found["content"] |= {
            _bare(media): _TEXT for media in MEDIA_TYPES.values() if "json" not in media
        }
    if "304" in responses:
        found["headers"] = _KEPT | found.get("headers", {})
    if "cursor" in parameters:
        found["headers"] = found.get("headers", {}) | _LINK
    if path == OPEN:
        return
    if _asks(settings):
        operation["security"] = [{name: []} for name in _SCHEMES]
        responses["401"] = _problem("Nothing, or something wrong, is shown of what is asked for.")
    if settings.rate_limit:
        responses["429"] = _problem("More requests than are answered in a time.") | {
            "headers": _WAIT
        }


def _complete_parameter(parameter: dict[str, Any]) -> None:
    name, schema = parameter["name"], parameter["schema"]
    if name == "format":
        parameter["description"] = _FORMAT
    if parameter["required"] and name in _EXAMPLES:
        parameter["example"] = _EXAMPLES[name]
    # Nothing in an address is null, and what is left out has no default to be shown.
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if kinds:
        schema["anyOf"] = kinds
    if len(kinds) == 1:
        schema |= schema.pop("anyOf")[0]
    if schema.get("default") == "":
        del schema["default"]


def _place(parameter: dict[str, Any]) -> int:
    """Return where a reader looks for a parameter: what is asked for, how, and in which form."""
    name = parameter["name"]
    if parameter["in"] == "path":
        return -len(_FIRST) - 1
    if name in _FIRST:
        return _FIRST.index(name) - len(_FIRST)
    return 1 + _LAST.index(name) if name in _LAST else 0


def _asks(settings: Settings) -> bool:
    return bool(settings.api_token or settings.login)


def _problem(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _bare(media: str) -> str:
    return media.partition(";")[0]
