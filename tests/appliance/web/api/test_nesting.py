"""Deeply nested JSON is refused as the caller's error, at every call that takes a body."""

from __future__ import annotations

import bottle
import pytest

from appliance.web.api import ROUTES
from appliance.web.api.reply import PREFIX
from appliance.web.api.routes import Route
from tests.appliance.web.client import call

DEPTHS = [10, 200, 400, 600, 900, 990, 1_000, 100_000]


def nested(depth: int, *, around: bytes = b"%s") -> list[bytes]:
    """Makes bodies of this depth: in arrays, and in objects."""
    return [around % (b"[" * depth + b"]" * depth), around % (b'{"a":' * depth + b"1" + b"}" * depth)]


@pytest.mark.parametrize("each", [each for each in ROUTES if each.body is not None], ids=lambda each: each.path)
def test_a_deeply_nested_body_is_refused(app: bottle.Bottle, token: str, each: Route) -> None:
    assert each.body is not None
    field = each.body.__struct_fields__[-1].encode()
    for depth in DEPTHS:
        for body in nested(depth) + nested(depth, around=b'{"' + field + b'":%s}'):
            path = PREFIX + each.path.replace("{", "").replace("}", "")
            answer = call(app, each.method, path, raw=body, token=token)
            assert answer.status in (400, 401, 404, 422, 429), (depth, answer.data)
            assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.long
@pytest.mark.parametrize("path", ["/account/passkeys", "/sessions/passkey"])
def test_a_nested_credential_is_accepted_or_refused_at_any_depth(app: bottle.Bottle, token: str, path: str) -> None:
    """Tries the few depths that can be decoded but not encoded again."""
    around = b'{"handle": "x", "credential": %s}'
    if path == "/account/passkeys":
        around = b'{"password": "x", "name": "x", "credential": %s}'
    for depth in range(700, 1000):
        for body in nested(depth, around=around):
            answer = call(app, "POST", PREFIX + path, raw=body, token=token)
            assert answer.status in (400, 401, 403, 409, 422, 429), (depth, answer.data)
