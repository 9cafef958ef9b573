"""Handlers of routes, as they are built."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from appliance.model.access import PUBLIC
from appliance.web.api.routes import Route, handler


class First(msgspec.Struct):
    """A struct with one field."""


class Second(msgspec.Struct):
    """A struct that can't be distinguished from the first."""


class Body(msgspec.Struct):
    """A body that can't be decoded."""

    field: First | Second


def test_msgspec_analyses_a_body_s_type_before_any_request() -> None:
    """Refuses an invalid type early: two threads that show msgspec a type for the first time crash the interpreter."""
    route = Route("POST", "/x", "", lambda _: None, body=Body, access=PUBLIC)
    any_site: Any = None
    with pytest.raises(TypeError, match="must be tagged"):
        handler(route, any_site)
