"""If-Match: a change by somebody who has not seen the present state is refused, and nobody's change is lost."""

from __future__ import annotations

import time
from typing import Any

import bottle
import pytest

from appliance.model.desired import PeerStatus
from appliance.web.api import ROUTES
from tests.appliance.fakes import FakeHub
from tests.appliance.web.client import Response, call

PREFIX = "/api/v1"


class Program:
    """A program that changes only what it has seen."""

    def __init__(self, app: bottle.Bottle, token: str) -> None:
        self.app, self.token = app, token

    def look(self, path: str) -> str:
        """Reads something; returns the tag of its version."""
        return str(call(self.app, "GET", PREFIX + path, token=self.token).headers["etag"])

    def change(self, method: str, path: str, body: Any, tag: str) -> Response:
        headers = {"If-Match": tag}
        return call(self.app, method, PREFIX + path, body, token=self.token, headers=headers)


@pytest.fixture
def program(app: bottle.Bottle, token: str) -> Program:
    return Program(app, token)


@pytest.fixture
def machine(app: bottle.Bottle, token: str) -> str:
    body = {"name": "branch-mumbai", "groups": ["one"]}
    made = call(app, "POST", f"{PREFIX}/machines", body, token=token).json["machine"]["id"]
    return f"/machines/{made}"


def test_two_programs_lose_no_group_of_each_other(program: Program, machine: str) -> None:
    seen = program.look(machine)
    first = program.change("PATCH", machine, {"groups": ["one", "two"]}, seen)
    assert first.status == 200
    second = program.change("PATCH", machine, {"groups": ["one", "three"]}, seen)
    assert (second.status, second.json["type"]) == (412, "urn:meshwg:problem:precondition-failed")
    assert "one, two" in second.json["detail"]
    # The answer to a change has the tag for the next one.
    assert first.headers["etag"] == program.look(machine)
    third = program.change("PATCH", machine, {"groups": ["one", "two", "three"]}, first.headers["etag"])
    assert sorted(third.json["groups"]) == ["one", "three", "two"]


@pytest.mark.parametrize("body", [{"name": "other"}, {"groups": []}, {"enabled": False}])
def test_each_change_of_a_machine_is_another_version(program: Program, machine: str, body: dict[str, Any]) -> None:
    seen = program.look(machine)
    assert program.change("PATCH", machine, body, "*").status == 200
    for method, path, new in (("PATCH", "", {"name": "x"}), ("POST", "/rotate", {}), ("DELETE", "", None)):
        assert program.change(method, machine + path, new, seen).status == 412
    assert program.change("DELETE", machine, None, program.look(machine)).status == 204


def test_a_key_is_not_replaced_by_who_has_not_seen_it(program: Program, machine: str) -> None:
    seen = program.look(machine)
    assert program.change("POST", f"{machine}/rotate", {}, seen).status == 200
    assert program.change("POST", f"{machine}/rotate", {}, seen).status == 412
    assert program.change("PATCH", machine, {"name": "other"}, seen).status == 412


def test_traffic_of_a_machine_is_no_other_version(program: Program, machine: str, hub: FakeHub) -> None:
    seen = program.look(machine)
    public_key = call(program.app, "GET", PREFIX + machine, token=program.token).json["public_key"]
    hub.statuses = [PeerStatus(public_key, int(time.time()) - 5, 7, 7, "")]
    assert program.look(machine) != seen, "the whole answer is another one"
    assert program.change("PATCH", machine, {"groups": ["two"]}, seen).status == 200


def test_an_organization_is_not_renamed_unseen(program: Program) -> None:
    seen = program.look("/organization")
    assert program.change("PATCH", "/organization", {"name": "first"}, seen).status == 200
    assert program.change("PATCH", "/organization", {"name": "second"}, seen).status == 412
    assert program.change("PATCH", "/organization", {"plan": "paid"}, program.look("/organization")).status == 200


def test_a_condition_is_never_ignored(program: Program) -> None:
    unaware = [route for route in ROUTES if route.method != "GET" and not route.takes_condition]
    assert unaware
    for route in unaware:
        refused = program.change(route.method, route.path.replace("{id}", "x"), {}, '"1"')
        assert (refused.status, refused.json["type"]) == (400, "urn:meshwg:problem:malformed"), route.path
