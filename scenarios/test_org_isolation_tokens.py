"""Requests of two organizations that carry the tokens of both, or the same key."""

from __future__ import annotations

import secrets

import pytest

from harness.client.visitor import SESSION_COOKIE
from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay.mesh import Mesh
from harness.world.world import World

pytestmark = pytest.mark.claim("org-isolation")

MIXED = "an organization's request key counted for another's request"


def test_of_two_tokens_of_a_request_one_counts(world: World, record: Record) -> None:
    """A request carries the session cookie of one organization's owner, and the bearer token of another's. The API
    reads and changes what is the bearer token's, and a page shows what is the cookie's; neither mixes them.
    """
    of_cookie, of_bearer = world.organization(record, "of-the-cookie"), world.organization(record, "of-the-bearer")
    headers = {"Cookie": f"{SESSION_COOKIE}={of_cookie.api.token}", "Authorization": f"Bearer {of_bearer.api.token}"}
    api, browser = of_cookie.api.anonymous(), of_cookie.api.visitor()
    with record.control("each token by itself opens its own organization"):
        assert [_name(each) for each in (of_cookie, of_bearer)] == ["of-the-cookie", "of-the-bearer"]
    wrong = []
    if api.send("GET", "/organization", headers=headers).body.get("name") != "of-the-bearer":
        wrong.append("a call that reads")
    # A change by cookie needs another header too, so one that the cookie lets in here has escaped that.
    changed = api.send("PATCH", "/organization", {"name": "renamed"}, headers=headers)
    if changed.status != 200 or [_name(each) for each in (of_cookie, of_bearer)] != ["of-the-cookie", "renamed"]:
        wrong.append("a call that changes something")
    shown = browser.send("GET", "/settings", headers=headers).text
    if "of-the-cookie" not in shown or "renamed" in shown:
        wrong.append("a page")
    browser.close()
    record.none_of(
        "for the other organization", wrong, "a request was answered for the organization of its other token"
    )


def test_equal_request_keys_of_organizations_are_two(world: World, record: Record) -> None:
    """Two organizations add a machine of the same name with the same Idempotency-Key. Each gets a machine of its own,
    and who asks again is told of its own one. Who asks for something else with that key is told so, and gets nothing.
    """
    headers = {"Idempotency-Key": f"key {secrets.token_hex(16)}"}
    made: dict[Mesh, str] = {}
    for name in ("first", "second"):
        mesh = world.organization(record, name)
        answer = mesh.api.send("POST", "/machines", {"name": "mumbai"}, headers=headers)
        if answer.status != 201 or _machines(mesh) != [answer.body["machine"]["id"]]:
            raise Refuted(f"{MIXED}: a new request was answered {answer.status}")
        made[mesh] = answer.body["machine"]["id"]
    for mesh, machine in made.items():
        # The first answer held a key, which is shown once.
        answer = mesh.api.send("POST", "/machines", {"name": "mumbai"}, headers=headers)
        told = (answer.status, answer.headers.get("Location", "").rpartition("/")[2], _machines(mesh))
        if told != (409, machine, [machine]):
            raise Refuted(f"{MIXED}: a repeated request for {machine} was answered {told}")
        answer = mesh.api.send("POST", "/machines", {"name": "pune"}, headers=headers)
        if answer.status != 422 or _machines(mesh) != [machine]:
            raise Refuted(f"another request with the key of an earlier one was answered {answer.status}")


def _machines(mesh: Mesh) -> list[str]:
    return [each["id"] for each in mesh.api.call("GET", "/machines").body["machines"]]


def _name(mesh: Mesh) -> str:
    return str(mesh.api.call("GET", "/organization").body["name"])
