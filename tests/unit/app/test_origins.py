"""Whose pages may open a socket."""

import pytest
from starlette.datastructures import Headers

from app.web.origins import is_own_origin


def headers(*origins, host="desk.example:8050"):
    return Headers(raw=[(b"host", host.encode()), *((b"origin", o.encode()) for o in origins)])


def test_who_is_no_page_or_one_of_this_server_may():
    assert is_own_origin(headers())
    assert is_own_origin(headers("http://desk.example:8050"))
    assert is_own_origin(headers("https://Desk.Example:8050"))


@pytest.mark.parametrize(
    "origin",
    [
        *("http://other.example", "null", "", "http://desk.example", "http://desk.example:8051"),
        *("http://desk.example:8050.other.example", "http://[", "desk.example:8050"),
    ],
)
def test_pages_of_others_may_not(origin):
    assert not is_own_origin(headers(origin))
    assert is_own_origin(headers(origin), {"*"})


def test_of_several_origins_all_must_be_let_in():
    own, other = "http://desk.example:8050", "http://other.example"
    assert not is_own_origin(headers(own, other))
    assert not is_own_origin(headers(other, own))
    assert is_own_origin(headers(own, other), {other})
