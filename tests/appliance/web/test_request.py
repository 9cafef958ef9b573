"""Requests and responses as values."""

from __future__ import annotations

import io
from typing import Any

import pytest

from appliance.model.errors import Malformed
from appliance.web.request import COOKIE, MOST_COOKIES, Request
from appliance.web.response import Response


def environ(**more: str) -> dict[str, Any]:
    return {"REQUEST_METHOD": "GET", "PATH_INFO": "/machines", "wsgi.input": io.BytesIO(b"body"), **more}


def test_a_request_has_what_the_server_read() -> None:
    request = Request.of(
        environ(REMOTE_ADDR="198.51.100.7", HTTP_USER_AGENT="curl", CONTENT_TYPE="text/plain", PATH_INFO="//machines"),
        {"id": "x"},
    )
    assert (request.path, request.body, request.parameters) == ("/machines", b"body", {"id": "x"})
    assert (request.device.address, request.device.agent) == ("198.51.100.7", "curl")
    assert request.header("content-type") == request.header("Content-Type") == "text/plain"
    assert request.header("Authorization") == ""


@pytest.mark.parametrize(
    ("headers", "token", "by_cookie"),
    [
        ({}, None, True),
        ({"HTTP_COOKIE": f"{COOKIE}=one"}, "one", True),
        ({"HTTP_COOKIE": f"{COOKIE}="}, None, True),
        ({"HTTP_COOKIE": f"other/name=1; {COOKIE}=one"}, "one", True),
        ({"HTTP_AUTHORIZATION": "bearer  two "}, "two", False),
        ({"HTTP_AUTHORIZATION": "Bearer two", "HTTP_COOKIE": f"{COOKIE}=one"}, "two", False),
        ({"HTTP_AUTHORIZATION": "Bearer ", "HTTP_COOKIE": f"{COOKIE}=one"}, "one", True),
        ({"HTTP_AUTHORIZATION": "Bearer \x1f", "HTTP_COOKIE": f"{COOKIE}=one"}, "one", True),
        ({"HTTP_AUTHORIZATION": "Basic two", "HTTP_COOKIE": f"{COOKIE}=one"}, "one", True),
    ],
)
def test_a_bearer_token_goes_before_a_cookie(headers: dict[str, str], token: str | None, by_cookie: bool) -> None:
    request = Request.head(environ(**headers))
    assert (request.token, request.is_by_cookie) == (token, by_cookie)


@pytest.mark.parametrize(
    "others",
    ['a={"b":1}', "version=1", "path=/; secure", "a[b]=1", "a b=c d", "alone", "ü=1", "=1", "a=b=c", 'a="', ";"],
)
def test_cookies_of_others_hide_none_of_ours(others: str) -> None:
    request = Request.head(environ(HTTP_COOKIE=f'{others}; {COOKIE}=one; {others}; quoted="two=="'))
    assert (request.session_token, request.cookies["quoted"]) == ("one", "two==")


def test_few_of_many_cookies_are_looked_at() -> None:
    """Sends as many as fit into a head: each request would take milliseconds in which no other one is read."""
    many = ";".join(f"{number:x}=" for number in range(11_000))
    request = Request.head(environ(HTTP_COOKIE=f"{COOKIE}=one; {many}"))
    assert request.session_token == "one"
    assert len(request.cookies) == MOST_COOKIES


def test_the_last_parameter_with_a_name_counts() -> None:
    request = Request.head(environ(QUERY_STRING="limit=1&limit=2&name=%e4%bd%a0+x&raw=\xe4\xbd\xa0&empty"))
    assert request.query == {"limit": "2", "name": "你 x", "raw": "你", "empty": ""}


@pytest.mark.parametrize("query", ["group=%ff", "group=\xff", "group=%e4%bd&limit=1", "group=%ff&group=a"])
def test_a_parameter_that_is_not_utf_8_is_refused(query: str) -> None:
    with pytest.raises(Malformed) as refused:
        _ = Request.head(environ(QUERY_STRING=query)).query
    assert refused.value.field == "group"


def test_two_requests_of_one_content_differ_in_headers_alone() -> None:
    one = Request.of(environ(QUERY_STRING="a=b"), {})
    assert one.content == Request.of(environ(QUERY_STRING="a=b", HTTP_COOKIE="x=y"), {}).content
    assert one.content != Request.of(environ(QUERY_STRING="a=c"), {}).content


def test_a_response_with_another_cookie_is_another_response() -> None:
    bare = Response()
    given = bare.with_cookie("name", "one", seconds=5)
    assert given.cookies == {"name": "name=one; HttpOnly; Max-Age=5; Path=/; SameSite=lax; Secure"}
    assert "Max-Age=-1" in given.without_cookie("name").cookies["name"]
    assert bare.cookies == {}
