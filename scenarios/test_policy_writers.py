"""Rules are saved one by one in every way, by everybody who may, and several at the same moment."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest

from harness.client.api import Api
from harness.client.visitor import Visitor
from harness.judging.answer import Answer
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay.judged_stream import JudgedStream
from harness.overlay.mesh import Mesh, Rule, rule_between
from harness.world.person import new_member, new_token
from harness.world.world import PASSWORD, World

pytestmark = pytest.mark.claim("policy-enforcement")

ROUNDS = {"quick": 3, "full": 20}
_SAVED = {200, 201, 204, 303}
_FORBIDDEN = 403


@dataclass(frozen=True)
class Writer:
    """A person or program that adds and removes single rules.

    Attributes:
        name: the writer in words.
        add: sends a rule.
        remove: sends the removal of a rule, given its id.
        change: sends parts of a rule that are to be changed, given its id; None where that is not offered.
    """

    name: str
    add: Callable[[Rule], Answer]
    remove: Callable[[str], Answer]
    change: Callable[[str, Rule], Answer] | None = None


def by_calls(name: str, api: Api) -> Writer:
    """Returns a writer that uses the API."""
    return Writer(
        name,
        lambda rule: api.send("POST", "/policy/rules", rule),
        lambda rule_id: api.send("DELETE", f"/policy/rules/{rule_id}"),
        lambda rule_id, parts: api.send("PATCH", f"/policy/rules/{rule_id}", parts),
    )


def by_forms(name: str, browser: Visitor) -> Writer:
    """Returns a writer that sends the forms of the pages."""

    def sent(path: str, typed: dict[str, str]) -> Answer:
        forms = browser.forms("/policy")
        # A viewer sees no such form, and can send one all the same: another form has the session's token.
        hidden = forms.get(path) or next(iter(forms.values()), {})
        requested = time.monotonic_ns()
        answer = browser.send("POST", path, hidden | typed)
        return Answer(answer.status_code, answer.text, requested, time.monotonic_ns())

    return Writer(
        name,
        lambda rule: sent("/policy/rules", rule),
        lambda rule_id: sent("/policy/rules/remove", {"rule": rule_id}),
    )


def test_a_rule_is_enforced_however_it_is_saved(world: World, record: Record) -> None:
    """Rules are added, changed and removed one by one: by calls and by the pages' forms, by owner, admin and their
    tokens. A stream stops and flows with each answer. Viewers and tokens that may only read are refused, and change
    nothing.

    An admin who is made a viewer is one at once, in the sessions and with the token that they have.
    """
    owner = f"{secrets.token_hex(6)}@example.net"
    mesh = world.organization(record, email=owner)
    mumbai, pune = mesh.machines("mumbai", "pune")
    # Every part says something, as a change of one part must leave the others as they are.
    denied = rule_between("deny", mumbai, pune, protocol="udp", ports="1-65535", description="by hand")
    admin, viewer = (new_member(mesh.api, role) for role in ("admin", "viewer"))
    admins = (
        by_calls("an admin", admin.api),
        by_calls("an admin's token that may write", new_token(admin.api, "write", "write")),
        by_forms("an admin's browser", _browser(mesh, admin.email)),
    )
    owners = (
        by_calls("the owner", mesh.api),
        by_calls("a token that may write", new_token(mesh.api, "write", "write")),
        by_forms("the owner's browser", _browser(mesh, owner)),
    )
    may_not = (
        by_calls("a viewer", viewer.api),
        by_calls("a token that may read", new_token(mesh.api, "read", "read")),
        by_forms("a viewer's browser", _browser(mesh, viewer.email)),
    )
    with world.queues(mumbai, pune) as queues, mumbai.stream_to(pune, queues=queues) as stream:
        with record.control("the stream flows before any rule"):
            stream.flows()
        for writer in (*admins, *owners):
            _save_one_by_one(mesh, stream, denied, writer, may_not)
        _make_viewer(mesh, admin.email)
        lowered = tuple(replace(each, name=each.name.replace("an admin", "a former admin")) for each in admins)
        _save_one_by_one(mesh, stream, denied, owners[0], lowered)
    record.measure("writers", [each.name for each in (*admins, *owners)])
    record.measure("writers that are refused", [each.name for each in (*may_not, *lowered)])


def _save_one_by_one(mesh: Mesh, stream: JudgedStream, denied: Rule, writer: Writer, may_not: Sequence[Writer]) -> None:
    """Has a writer add, change and remove a rule that stops a stream; others try the same in vain."""
    stream.stops(_saved(writer, writer.add(denied)))
    (rule,) = mesh.api.call("GET", "/policy").body["rules"]
    for other in may_not:
        _refuse(other, other.remove(rule["id"]))
        if other.change is not None:
            _refuse(other, other.change(rule["id"], {"action": "allow"}))
    stream.stays_stopped()
    if writer.change is not None:
        for parts, judge in (
            ({"action": "allow"}, stream.flows),
            ({"action": "deny"}, stream.stops),
            ({"ports": "1"}, stream.flows),
            ({"ports": "all"}, stream.stops),
            ({"source": "any"}, None),
            ({"description": "by another hand"}, None),
        ):
            answer, rule = _saved(writer, writer.change(rule["id"], parts)), {**rule, **parts}
            if judge is not None:
                judge(answer)
            _check_shown(mesh, rule)
        stream.stays_stopped()
    stream.flows(_saved(writer, writer.remove(rule["id"])))
    for other in may_not:
        _refuse(other, other.add(denied))


def _check_shown(mesh: Mesh, rule: Rule) -> None:
    """Checks that the policy has this one rule, with each of its parts."""
    shown = mesh.api.call("GET", "/policy").body["rules"]
    if shown != [rule]:
        raise Refuted(f"a part of a rule was changed to make it {rule}, and shown is {shown}")


def test_rules_saved_at_the_same_moment_are_all_enforced(world: World, record: Record, profile: str) -> None:
    """Two writers add a rule each at the same moment, and then remove it. What was answered as saved is enforced from
    the later answer on, and shown.
    """
    mesh = world.organization(record)
    mumbai, pune = mesh.machines("mumbai", "pune")
    rules = (rule_between("deny", mumbai, pune), rule_between("deny", pune, mumbai))
    writers = (by_calls("owner", mesh.api), by_calls("owner, once more", mesh.api.duplicate()))
    with (
        world.queues(mumbai, pune) as queues,
        mumbai.stream_to(pune, queues=queues) as forth,
        pune.stream_to(mumbai, queues=queues) as back,
        ThreadPoolExecutor(2) as pool,
    ):
        streams = (forth, back)
        with record.control("the streams flow before any rule"):
            for stream in streams:
                stream.flows()
        for _ in range(ROUNDS[profile]):
            added = list(pool.map(_at_once(2, lambda writer, rule: writer.add(rule)), writers, rules))
            for stream, writer, answer in zip(streams, writers, added, strict=True):
                stream.stops(_saved(writer, answer))
            ids = [answer.body["id"] for answer in added]
            shown = {each["id"] for each in mesh.api.call("GET", "/policy").body["rules"]}
            if shown != set(ids):
                raise Refuted(f"two rules were answered as saved at the same moment, and {len(shown)} are shown")
            removed = list(pool.map(_at_once(2, lambda writer, rule: writer.remove(rule)), writers, ids))
            for stream, writer, answer in zip(streams, writers, removed, strict=True):
                stream.flows(_saved(writer, answer))
    record.measure("rules saved two at once", 4 * ROUNDS[profile])


def _at_once(number: int, save: Callable[[Writer, Any], Answer]) -> Callable[[Writer, Any], Answer]:
    """Makes as many calls of a function wait for each other."""
    barrier = threading.Barrier(number)

    def together(writer: Writer, what: Any) -> Answer:
        barrier.wait()
        return save(writer, what)

    return together


def _saved(writer: Writer, answer: Answer) -> Answer:
    if answer.status not in _SAVED:
        raise Inconclusive(f"{writer.name} could not save a rule: {answer.status} {answer.body}")
    return answer


def _refuse(writer: Writer, answer: Answer) -> None:
    if answer.status != _FORBIDDEN:
        raise Refuted(f"{writer.name} may save no rule, and was answered {answer.status}")


def _make_viewer(mesh: Mesh, email: str) -> None:
    (member,) = (each for each in mesh.api.call("GET", "/members").body["members"] if each["email"] == email)
    mesh.api.call("PATCH", f"/members/{member['id']}", {"role": "viewer"})


def _browser(mesh: Mesh, email: str) -> Visitor:
    """Returns a browser in which a member has logged in."""
    browser = mesh.api.visitor()
    browser.log_in(email, PASSWORD)
    return browser
