"""No value in a request leads to another organization: neither in a query, nor in a body."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest

from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive
from harness.overlay.mesh import Mesh
from harness.world import holdings
from harness.world.world import World

pytestmark = pytest.mark.claim("org-isolation")

_SECRET = "secret-server"
_NAMING = ("source", "destination", "member")
"""Fields of bodies that name something by its id."""
_MOST_PAGES = 20


def test_no_search_finds_what_another_organization_has(world: World, record: Record) -> None:
    """Every list is asked for in every way that its description names, with names, ids, groups and addresses of another
    organization's things. No answer tells of them, and none has gaps where they would be.
    """
    acme, bolt, theirs = _two(world, record)
    answers = strange = 0
    leaks, gaps = [], []
    for path, parameters in _lists(acme):
        for name, values in parameters.items():
            for value in values or (_SECRET, *theirs.values()):
                asked = f"{path}?{name}={quote(value)}"
                answers += 1
                for page in _pages(acme, asked):
                    strange += page is None
                    if page is not None and any(each in str(page) for each in (_SECRET, *theirs.values())):
                        leaks.append(asked)
                    if page is not None and page["next"] is not None and _count(page) != 1:
                        gaps.append(asked)
    record.measure("questions that a list does not take", strange)
    record.at_least("questions", answers, 100)
    record.none_of("answers that tell of the other organization", leaks, "a search found another organization's things")
    record.none_of("pages with gaps", gaps, "pages of a search have gaps where something of others would be")
    with record.control("the other organization's searches find them"):
        for query in (f"query={_SECRET}", f"group={_SECRET}", f"query={theirs['address']}"):
            assert theirs["/machines"] in str(bolt.api.call("GET", f"/machines?{query}").body)


def test_no_body_names_what_another_organization_has(world: World, record: Record) -> None:
    """Every call whose body names a machine or a member gets another organization's, and is refused."""
    acme, _, theirs = _two(world, record)
    own = acme.add("another")["machine"]["id"]
    rule = acme.api.call("POST", "/policy/rules", _rule("any", "any")).body["id"]
    calls = list(_naming_calls(theirs, own))
    described = _described(acme)
    if described != {(method, path) for method, path, _ in calls}:
        raise Inconclusive(f"these calls name things in their bodies, and others are tried: {sorted(described)}")
    before = acme.api.call("GET", "/policy").body
    taken = [
        f"{method} {path} with {body} was answered {status}"
        for method, path, body in calls
        if not 400 <= (status := acme.api.send(method, path.replace("{id}", rule), body).status) < 500
    ]
    record.measure("calls", len(calls))
    record.none_of("calls that were done", taken, "a call took what another organization has")
    with record.control("the policy is as it was, and the same calls take the own machine"):
        assert acme.api.call("GET", "/policy").body == before
        for method, path, body in _naming_calls({"/machines": own}, own):
            answer = acme.api.send(method, path.replace("{id}", rule), body)
            assert 200 <= answer.status < 300, answer.body


def _two(world: World, record: Record) -> tuple[Mesh, Mesh, dict[str, str]]:
    """Makes two organizations; returns them, and what the second one has that could be named."""
    acme, bolt = world.organization(record), world.organization(record)
    holdings.make(acme, "server")
    theirs = holdings.make(bolt, _SECRET)
    # Both have the same range, and the second more machines, so that the last one's address is not the first's.
    *_, last = (bolt.add(f"{_SECRET} {number}", [_SECRET])["machine"] for number in range(3))
    return acme, bolt, {**theirs, "/machines": last["id"], "address": last["address"], "key": last["public_key"]}


def _lists(mesh: Mesh) -> Iterator[tuple[str, dict[str, tuple[str, ...]]]]:
    """Yields the paths of lists, with their query parameters by name, and the values of those that have few."""
    document: dict[str, Any] = mesh.api.call("GET", "/openapi.json").body["paths"]
    for path, methods in document.items():
        found = {
            each["name"]: tuple(each["schema"].get("enum", ()))
            for each in methods.get("get", {}).get("parameters", ())
            if each["in"] == "query" and each["name"] != "limit"
        }
        if found and "{" not in path:
            yield path, found


def _pages(mesh: Mesh, asked: str) -> Iterator[dict[str, Any] | None]:
    """Yields the pages of one entry each that answer a question; None if it is refused."""
    after: str | None = ""
    for _ in range(_MOST_PAGES):
        answer = mesh.api.send("GET", f"{asked}&limit=1" + (f"&after={quote(after)}" if after else ""))
        yield answer.body if answer.status == 200 else None
        after = answer.body["next"] if answer.status == 200 and "after=" not in asked else None
        if after is None:
            return


def _count(page: Mapping[str, Any]) -> int:
    (listed,) = (value for value in page.values() if isinstance(value, list))
    return len(listed)


def _rule(source: str, destination: str) -> dict[str, str]:
    return {"action": "deny", "source": source, "destination": destination}


def _naming_calls(held: Mapping[str, str], own: str) -> Iterator[tuple[str, str, Any]]:
    """Yields calls whose body names a machine or member in each place where it can."""
    there, here = f"machine:{held['/machines']}", f"machine:{own}"
    for source, destination in ((there, here), (here, there)):
        yield "PATCH", "/policy/rules/{id}", _rule(source, destination)
        yield "POST", "/policy/rules", _rule(source, destination)
        yield "POST", "/policy/check", {"source": source, "destination": destination}
        yield "PUT", "/policy/expectations", [{"source": source, "destination": destination, "verdict": "deny"}]
    # Last, as they replace the rule that others change.
    for source, destination in ((there, here), (here, there)):
        for method, path in (("POST", "/policy/preview"), ("PUT", "/policy")):
            yield method, path, {"default": "allow", "rules": [_rule(source, destination)]}
    if "/members" in held:
        yield "POST", "/organization/transfer", {"member": held["/members"]}


def _described(mesh: Mesh) -> set[tuple[str, str]]:
    """Returns method and path of each call whose body has a field that names something."""
    document: dict[str, Any] = mesh.api.call("GET", "/openapi.json").body
    schemas = document["components"]["schemas"]

    def names(schema: Any) -> bool:
        if isinstance(schema, list):
            return any(map(names, schema))
        if not isinstance(schema, dict):
            return False
        if "$ref" in schema:
            return names(schemas[schema["$ref"].rpartition("/")[2]])
        return bool({*_NAMING} & {*schema.get("properties", {})}) or any(map(names, schema.values()))

    return {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if names(operation.get("requestBody", {}))
    }
