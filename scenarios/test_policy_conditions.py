"""Saves under a condition: enforced where it holds, and otherwise refused, with packets as before."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from harness.client.api import Api
from harness.judging.answer import Answer
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay.judged_stream import JudgedStream
from harness.overlay.machine import Machine
from harness.overlay.mesh import Mesh, Rule, rule_between
from harness.world.world import World

pytestmark = pytest.mark.claim("policy-enforcement")

ROUNDS = {"quick": 2, "full": 20}
_CREATED, _MALFORMED, _CONFLICT, _FAILED = 201, 400, 409, 412
_NONE = '"nothing-has-this"'
_BROKEN = "urn:meshwg:problem:expectation-broken"

Call = tuple[str, str, Any]
"""Method, path and body of a change."""


def test_a_save_against_its_conditions_changes_nothing(world: World, record: Record, profile: str) -> None:
    """Saves name the version that they replace by its ETag (`If-Match`), and expectations say what has to stay allowed.
    What an outdated ETag or an expectation forbids is refused, with packets and answers as before; with the right ETag,
    or forced, it is enforced when it is answered.

    Of two writers with one ETag at the same moment one is answered as done, and packets follow that one.
    """
    mesh = world.organization(record)
    mumbai, pune = mesh.machines("mumbai", "pune")
    with (
        world.queues(mumbai, pune) as queues,
        mumbai.stream_to(pune, queues=queues) as forth,
        pune.stream_to(mumbai, queues=queues) as back,
    ):
        with record.control("both streams flow before any rule"):
            forth.flows()
            back.flows()
        refused = _replace_by_etag(mesh, (mumbai, pune), forth)
        with closing(mesh.api.duplicate()) as another:
            for _ in range(ROUNDS[profile]):
                _replace_at_once(mesh, (mesh.api, another), (mumbai, pune), (forth, back))
        refused += _break_expectation(mesh, (mumbai, pune), forth)
    record.measure("refused changes", refused)
    record.measure("saves by two writers at once", ROUNDS[profile])


def test_every_call_looks_at_its_condition_or_refuses_it(world: World, record: Record) -> None:
    """Every call that changes something is sent with an ETag that nothing has: one that can look at it is refused, and
    so is one that can't. Nothing has changed. With the present ETag, those that can look at it are done. The last one
    removes a machine, and no rule and no expectation names it any more.
    """
    mesh = world.organization(record)
    mumbai, pune = (mesh.add(name)["machine"]["id"] for name in ("mumbai", "pune"))
    rule: Rule = {"action": "deny", "source": f"machine:{mumbai}", "destination": "any"}
    first = mesh.api.call("GET", "/policy").body["version"]
    rules = [mesh.api.call("POST", "/policy/rules", rule).body["id"] for _ in range(2)]
    stays = {"source": f"machine:{pune}", "destination": f"machine:{mumbai}", "verdict": "allow"}
    # What each call changes, and the call; removals come last.
    calls: tuple[tuple[str, Call], ...] = (
        ("/organization", ("PATCH", "/organization", {"name": "another name"})),
        ("/policy/expectations", ("PUT", "/policy/expectations", [stays])),
        ("/policy", ("POST", "/policy/rules", rule)),
        ("/policy", ("PATCH", f"/policy/rules/{rules[0]}", {"action": "allow"})),
        ("/policy", ("DELETE", f"/policy/rules/{rules[1]}", None)),
        ("/policy", ("PUT", "/policy", {"default": "allow", "rules": [rule]})),
        ("/policy", ("POST", "/policy/restore", {"version": first})),
        (f"/machines/{mumbai}", ("PATCH", f"/machines/{mumbai}", {"groups": ["red"]})),
        (f"/machines/{mumbai}", ("POST", f"/machines/{mumbai}/rotate", {})),
        (f"/machines/{pune}", ("DELETE", f"/machines/{pune}", None)),
    )
    looking, others = _described(mesh)
    tried = {(method, path.replace(mumbai, "{id}").replace(pune, "{id}")) for _, (method, path, _) in calls}
    tried = {(method, path.replace(rules[0], "{id}").replace(rules[1], "{id}")) for method, path in tried}
    if tried != looking:
        raise Inconclusive(f"these calls take a condition, and others are tried: {sorted(looking ^ tried)}")
    before = _everything(mesh)
    done = [f"{m} {path}" for _, (m, path, body) in calls if _send(mesh.api, (m, path, body), _NONE).status != _FAILED]
    done += [f"{m} {path}" for m, path in others if _send(mesh.api, (m, path, {}), _NONE).status != _MALFORMED]
    record.measure("calls", len(calls) + len(others))
    record.none_of("done, or refused for something else", done, "calls with an ETag that nothing has were not refused")
    if _everything(mesh) != before:
        raise Refuted("calls with an ETag that nothing has changed something")
    with record.control("with the present ETag each call is done"):
        for shown, call in calls:
            assert _send(mesh.api, call, mesh.api.call("GET", shown).headers["ETag"]).status < _MALFORMED
    if pune in str(_everything(mesh)):
        raise Refuted(f"a machine was removed, and is still named: {_everything(mesh)}")


def _described(mesh: Mesh) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """Returns method and path of each call that changes something: those that take a condition, and the others."""
    document: dict[str, Any] = mesh.api.call("GET", "/openapi.json").body["paths"]
    looking: set[tuple[str, str]] = set()
    others: set[tuple[str, str]] = set()
    for path, methods in document.items():
        for method, operation in methods.items():
            if method != "get" and operation["security"]:
                takes = any(each["name"] == "If-Match" for each in operation["parameters"])
                (looking if takes else others).add((method.upper(), path))
    return looking, others


def _everything(mesh: Mesh) -> tuple[Any, ...]:
    return *_shown(mesh), *(mesh.api.call("GET", path).body for path in ("/organization", "/policy/expectations"))


def _replace_by_etag(mesh: Mesh, ends: tuple[Machine, Machine], forth: JudgedStream) -> int:
    """Saves in place of versions; returns the number of saves that were refused."""
    there, back = rule_between("deny", *ends), rule_between("deny", *reversed(ends))
    outdated, version = _etag(mesh), mesh.api.call("GET", "/policy").body["version"]
    added = _done(_send(mesh.api, ("POST", "/policy/rules", there), outdated))
    forth.stops(added)
    rule = f"/policy/rules/{added.body['id']}"
    forbidden: tuple[Call, ...] = (
        ("PUT", "/policy", {"default": "allow", "rules": []}),
        ("PUT", "/policy", {"default": "deny", "rules": []}),
        ("POST", "/policy/rules", back),
        ("PATCH", rule, {"action": "allow"}),
        ("DELETE", rule, None),
        ("POST", "/policy/restore", {"version": version}),
    )
    before = _shown(mesh)
    for call in forbidden:
        answer = _send(mesh.api, call, outdated)
        if answer.status != _FAILED:
            raise Refuted(f"{call[0]} {call[1]} in place of an outdated version was answered {answer.status}")
    _check_as_before(mesh, before)
    forth.stays_stopped()
    forth.flows(_done(_send(mesh.api, ("DELETE", rule, None), _etag(mesh))))
    return len(forbidden)


def _replace_at_once(
    mesh: Mesh, writers: Sequence[Api], ends: tuple[Machine, Machine], streams: Sequence[JudgedStream]
) -> None:
    """Has two writers add a rule each in place of one version; the stream of one of them stops, the other's flows."""
    etag, barrier = _etag(mesh), threading.Barrier(len(writers))

    def add(writer: Api, rule: Rule) -> Answer:
        barrier.wait()
        return _send(writer, ("POST", "/policy/rules", rule), etag)

    rules = (rule_between("deny", *ends), rule_between("deny", *reversed(ends)))
    with ThreadPoolExecutor(len(writers)) as pool:
        answers = list(pool.map(add, writers, rules))
    statuses = sorted(answer.status for answer in answers)
    if statuses != [_CREATED, _FAILED]:
        raise Refuted(f"two writers in place of one version at the same moment were answered {statuses}")
    ((stream, made),) = (pair for pair in zip(streams, answers, strict=True) if pair[1].status == _CREATED)
    stream.stops(made)
    shown = [rule["id"] for rule in mesh.api.call("GET", "/policy").body["rules"]]
    if shown != [made.body["id"]]:
        raise Refuted(f"one of two writers was answered as done, and {len(shown)} rules are shown")
    stream.flows(_done(_send(mesh.api, ("DELETE", f"/policy/rules/{shown[0]}", None), _etag(mesh))))


def _break_expectation(mesh: Mesh, ends: tuple[Machine, Machine], forth: JudgedStream) -> int:
    """Tries changes that an expectation forbids, and forces two; returns the number of those that were refused."""
    mumbai, pune = ends
    closed: Rule = {"action": "deny", "source": "any", "destination": "group:closed"}
    mesh.api.call("POST", "/policy/rules", closed)
    stays = {"source": f"machine:{mumbai.id}", "destination": f"machine:{pune.id}", "verdict": "allow"}
    opens = {"source": f"machine:{mumbai.id}", "destination": "group:opened", "verdict": "allow"}
    mesh.api.call("PUT", "/policy/expectations", [stays, opens])
    add: Call = ("POST", "/policy/rules", rule_between("deny", *ends))
    regroup: Call = ("PATCH", f"/machines/{pune.id}", {"groups": ["closed"]})
    join: Call = ("POST", "/machines", {"name": "delhi", "groups": ["opened", "closed"]})
    forbidden: tuple[Call, ...] = (("PUT", "/policy", {"default": "deny", "rules": []}), add, regroup, join)
    before = _shown(mesh)
    for call in forbidden:
        answer = _send(mesh.api, call)
        if answer.status != _CONFLICT or answer.body["type"] != _BROKEN:
            raise Refuted(f"{call[0]} {call[1]} against an expectation was answered {answer.status}")
    _check_as_before(mesh, before)
    # Nothing that was refused has stopped it: packets that are lost in this phase refute the claim.
    forth.flows()
    added = _done(_send(mesh.api, _forced(add)))
    forth.stops(added)
    forth.flows(mesh.api.call("DELETE", f"/policy/rules/{added.body['id']}"))
    forth.stops(_done(_send(mesh.api, _forced(regroup))))
    forth.flows(mesh.api.call("PATCH", f"/machines/{pune.id}", {"groups": []}))
    return len(forbidden)


def _send(api: Api, call: Call, etag: str | None = None) -> Answer:
    method, path, body = call
    return api.send(method, path, body, headers={} if etag is None else {"If-Match": etag})


def _forced(call: Call) -> Call:
    method, path, body = call
    return method, f"{path}?force=true", body


def _done(answer: Answer) -> Answer:
    if not 200 <= answer.status < 300:
        raise Inconclusive(f"a change that nothing forbids was answered {answer.status}: {answer.body}")
    return answer


def _etag(mesh: Mesh) -> str:
    return mesh.api.call("GET", "/policy").headers["ETag"]


def _shown(mesh: Mesh) -> tuple[Any, ...]:
    """Returns policy and machines as the service shows them."""
    return mesh.api.call("GET", "/policy").body, mesh.listed()


def _check_as_before(mesh: Mesh, before: tuple[Any, ...]) -> None:
    if _shown(mesh) != before:
        raise Refuted("a change that was refused is shown")
