"""Suspension by the operator's command, at a service that does what each test says."""

from __future__ import annotations

import json
from typing import cast

import httpx
import pytest

from harness.client.api import Api
from harness.judging.verdicts import Inconclusive, Refuted
from harness.subject.subject import Site, Subject
from harness.world.person import Person
from harness.world.suspension import Suspension

URL = "https://hub.invalid"


class FakeService(httpx.BaseTransport):
    """A service with one owner, in place of a `Subject` and its service.

    Args:
        forgets: what it lets in although the organization is suspended: ``session``, ``token``, ``password``.

    Attributes:
        commands: operator's commands so far.
        is_suspended: True while the organization is suspended.
    """

    def __init__(self, *forgets: str) -> None:
        self._forgets = forgets
        self._held = {"session": 401, "token": 403}
        self.commands: list[tuple[str, ...]] = []
        self.is_suspended = False

    @property
    def service(self) -> FakeService:
        return self

    def operate(self, *words: str, failure: str) -> str:
        assert failure
        self.commands.append(words)
        self.is_suspended = words[1] == "suspend"
        return ""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        call = request.method, request.url.path.removeprefix("/api/v1/")
        if call == ("POST", "tokens"):
            assert json.loads(request.read())["scope"] == "write"
            return httpx.Response(201, json={"token": "token"})
        if call == ("POST", "sessions"):
            is_open = not self.is_suspended or "password" in self._forgets
            return httpx.Response(201, json={"token": "session"}) if is_open else httpx.Response(403, json={})
        held = request.headers["Authorization"].removeprefix("Bearer ")
        is_open = not self.is_suspended or held in self._forgets
        return httpx.Response(200 if is_open else self._held[held], json={})


def suspension(service: FakeService) -> Suspension:
    return Suspension(cast(Subject, service), Person(Api(URL, token="session", transport=service), "o@x.example"), "o1")


def test_nobody_of_a_suspended_organization_calls() -> None:
    service = FakeService()
    suspended = suspension(service)
    assert suspended.is_possible
    suspended.begin()
    assert suspended.is_on
    suspended.check_calls()
    suspended.end()
    assert not suspended.is_on
    assert service.commands == [("admin", "suspend", "o1"), ("admin", "resume", "o1")]


@pytest.mark.parametrize(
    ("forgets", "told"),
    [
        ("session", "a session of a suspended organization is answered"),
        ("token", "a token of a suspended organization is answered"),
        ("password", "a log-in to a suspended organization was answered 201"),
    ],
)
def test_each_way_in_that_stays_open_is_refuted(forgets: str, told: str) -> None:
    suspended = suspension(FakeService(forgets))
    suspended.begin()
    with pytest.raises(Refuted, match=told):
        suspended.check_calls()


def test_a_service_that_does_not_resume_is_refuted() -> None:
    service = FakeService()
    suspended = suspension(service)
    suspended.begin()
    service.operate = lambda *_, **__: ""  # type: ignore[method-assign]
    with pytest.raises(Refuted, match="a log-in after the suspension was answered 403"):
        suspended.end()


def test_a_hub_without_commands_suspends_nobody() -> None:
    nothing = cast(Site, None)
    suspended = Suspension(Subject(nothing, "it lacks commands"), Person(Api(URL), "o@x.example"), "o1")
    assert not suspended.is_possible
    with pytest.raises(Inconclusive, match="it lacks commands"):
        suspended.begin()
