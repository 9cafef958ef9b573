"""Handlers of routes, as they are made."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from appliance.model.access import PUBLIC
from appliance.web.api.routes import Route, handler


class First(msgspec.Struct):
    """A struct."""


class Second(msgspec.Struct):
    """A struct that can't be told from the first."""


class Body(msgspec.Struct):
    """A body that can't be decoded."""

    field: First | Second


def test_msgspec_sees_a_body_s_type_before_there_are_requests() -> None:
    """Two threads that show it a type for the first time crash the interpreter; a type like this one is refused."""
    route = Route("POST", "/x", "", lambda _: None, body=Body, access=PUBLIC)
    any_site: Any = None
    with pytest.raises(TypeError, match="must be tagged"):
        handler(route, any_site)
