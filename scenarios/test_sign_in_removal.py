"""Calls of a member who is removed while they wait."""

from __future__ import annotations

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from harness.client.api import Api
from harness.judging.answer import Answer
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive
from harness.world.person import Person
from harness.world.world import PASSWORD

pytestmark = pytest.mark.claim("sign-in")

# Waiting calls of a removed member, most rounds, and least number of refused calls over all rounds.
WAITING_CALLS, MOST_ROUNDS, LEAST_REFUSED = 8, 10, 3
# A call that is unanswered while this many others are answered waits behind the long change.
PROBES = 2
# A policy of this length takes a good part of a second to read and enforce.
RULES = 2000
READS = ("/organization", "/machines", "/account")


def test_waiting_calls_of_a_removed_member_do_nothing(person: Person, record: Record) -> None:
    """Calls of a second owner wait behind a long change of the same organization. Meanwhile this owner is removed; the
    audit trail must have no later entry of them. The session of the removed owner reads nothing any more.
    """
    waited, refused = 0, 0
    with record.control("the second owner's calls are made before the removal"):
        assert _second_owner(person).api.send("PATCH", "/organization", {"name": "sign-in"}).status == 200
    for _ in range(MOST_ROUNDS):
        second = _second_owner(person)
        removal, calls = _remove_while_calls_wait(person.api, second)
        late = [each for each in calls if each.answered_ns > removal.answered_ns]
        waited += len(late)
        refused += sum(each.status in (401, 403) for each in late)
        trail = person.api.call("GET", "/audit?limit=100").body["entries"]
        removed_at = next(at for at, each in enumerate(trail) if each["action"] == "member.removed")
        after = [each["action"] for each in trail[:removed_at] if each["actor"] == second.email]
        record.none_of("made after the removal", after, "calls of a removed member were made")
        # The session was used until the removal.
        reads = [path for path in READS if second.api.send("GET", path).status != 401]
        record.none_of("answered after the removal", reads, "a removed member's session is open")
        if refused >= LEAST_REFUSED:
            break
    record.measure("calls that were answered after the removal", waited)
    record.at_least("of these refused", refused, LEAST_REFUSED)


def _second_owner(person: Person) -> Person:
    """Makes another owner of the same organization.

    Raises:
        Inconclusive: the service sends invitations by mail.
    """
    email = f"{secrets.token_hex(6)}@example.net"
    link = person.api.call("POST", "/invitations", {"email": email, "role": "owner"}).body["link"]
    if link is None:
        raise Inconclusive("this service sends invitations by mail, and nobody here reads it")
    api = person.api.anonymous()
    accepted = api.call("POST", "/invitations/accept", {"token": link.rpartition("/")[2], "password": PASSWORD})
    api.token = accepted.body["token"]
    return Person(api, email)


def _remove_while_calls_wait(owner: Api, second: Person) -> tuple[Answer, list[Answer]]:
    """Removes the second owner while their calls wait behind a long change; returns the answers to the removal and the
    calls.
    """
    (member,) = (each for each in owner.call("GET", "/members").body["members"] if each["email"] == second.email)
    saver, remover = owner.duplicate(), owner.duplicate()
    callers = [second.api.duplicate() for _ in range(WAITING_CALLS)]
    for each in (saver, remover, *callers):
        # Connects before, so that only the call itself is left to do.
        each.call("GET", "/organization")
    with ThreadPoolExecutor(2 + WAITING_CALLS) as pool:
        saving = pool.submit(saver.send, "PUT", "/policy", _long_policy())
        while not saving.done() and not saving.running():
            time.sleep(0.001)
        calls = [pool.submit(_rename, each) for each in callers]
        answered = list(range(WAITING_CALLS))
        # An answered call came before the long change began; it is sent again until all calls wait.
        while answered and not saving.done():
            # An answer to the second owner shows that earlier calls had been let in.
            for _ in range(PROBES):
                second.api.send("GET", "/organization")
            answered = [number for number, call in enumerate(calls) if call.done()]
            for number in answered:
                calls[number] = pool.submit(_rename, callers[number])
        removal = pool.submit(remover.send, "DELETE", f"/members/{member['id']}").result()
        if removal.status != 204:
            raise Inconclusive(f"the second owner was not removed: {removal.status} {removal.body}")
        answers = [each.result() for each in calls]
        if saving.result().status != 200:
            raise Inconclusive(f"the long change was not made: {saving.result().status} {saving.result().body}")
    for each in (saver, remover, *callers):
        each.close()
    return removal, answers


def _rename(api: Api) -> Answer:
    return api.send("PATCH", "/organization", {"name": "sign-in"})


def _long_policy() -> dict[str, Any]:
    """Returns a policy of many new rules, so that the hub has work to do."""
    first = secrets.randbelow(60_000) + 1
    rules = [
        {"action": "deny", "source": "any", "destination": "any", "protocol": "tcp", "ports": str(first + number)}
        for number in range(RULES)
    ]
    return {"default": "allow", "rules": rules}
