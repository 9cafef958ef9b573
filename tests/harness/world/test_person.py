"""Owners of organizations for scenarios."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from harness.client.api import Api, ApiError
from harness.world.person import new_owner
from harness.world.world import World


def answered(request: httpx.Request) -> httpx.Response:
    """Signs up, and fails to delete."""
    if request.method == "DELETE":
        return httpx.Response(500, json={"type": "about:blank", "title": "Internal Server Error"})
    return httpx.Response(201, json={"token": "t"})


def test_an_organization_that_is_not_deleted_is_told() -> None:
    def api() -> Api:
        return Api("https://hub.example", transport=httpx.MockTransport(answered))

    world: Any = SimpleNamespace(subject=SimpleNamespace(api=api))
    with pytest.raises(ApiError, match="500"), new_owner(cast(World, world)):
        pass
