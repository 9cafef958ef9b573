"""Calls of members who are removed or get a lower role while their calls wait."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from harness.client.api import Api
from harness.judging.answer import Answer
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive
from harness.world.person import Person, new_member, new_token

pytestmark = pytest.mark.claim("sign-in")

# Waiting calls of each member, most rounds, and least number of refused calls of each over all rounds. An organization
# may have nine changes in progress, and the long one is one of them.
WAITING_CALLS, MOST_ROUNDS, LEAST_REFUSED = 4, 10, 3
# A call that is unanswered while this many others are answered waits behind the long change.
PROBES = 2
# A policy of this length takes a good part of a second to read and enforce.
RULES = 2000
READS = ("/organization", "/machines", "/account")


@dataclass(frozen=True)
class Ended:
    """A member whose right to change anything ended while calls of theirs waited.

    Attributes:
        person: the member, with a session.
        by: answer to the call that ended it.
        calls: answers to the calls that waited.
    """

    person: Person
    by: Answer
    calls: Sequence[Answer]

    @property
    def late(self) -> list[Answer]:
        """Answers that came after the end."""
        return [each for each in self.calls if each.answered_ns > self.by.answered_ns]

    @property
    def refused(self) -> int:
        """Number of these that refuse."""
        return sum(each.status in (401, 403) for each in self.late)

    def made_after(self, trail: Sequence[Mapping[str, Any]], action: str) -> list[str]:
        """Returns the member's actions in an audit trail, newest first, since the newest entry of an action."""
        ended_at = next(at for at, each in enumerate(trail) if each["action"] == action)
        return [each["action"] for each in trail[:ended_at] if each["actor"].startswith(self.person.email)]


def test_waiting_calls_of_a_removed_member_do_nothing(person: Person, record: Record) -> None:
    """Calls of a second and a third owner wait behind a long change of the same organization, the latter's by a session
    and a token. Meanwhile the second is removed, and the third is made a viewer; the audit trail must have no later
    entry of them. The session of the removed owner reads nothing any more.
    """
    waited, refused = 0, Counter[str]()
    with record.control("an owner's calls are made as long as they are one, by a session and by a token"):
        other = new_member(person.api, "owner")
        assert _rename(other.api).status == 200
        assert _add_rule(new_token(other.api, "write", "write")).status == 201
    for _ in range(MOST_ROUNDS):
        removed, lowered = _end_while_calls_wait(
            person.api, new_member(person.api, "owner"), new_member(person.api, "owner")
        )
        waited += len(removed.late) + len(lowered.late)
        refused.update(removed=removed.refused, lowered=lowered.refused)
        trail = person.api.call("GET", "/audit?limit=100").body["entries"]
        record.none_of(
            "made after the removal",
            removed.made_after(trail, "member.removed"),
            "calls of a removed member were made",
        )
        record.none_of(
            "made after the lower role",
            lowered.made_after(trail, "member.changed"),
            "calls of a member with a lower role were made",
        )
        # The session was used until the removal.
        reads = [path for path in READS if removed.person.api.send("GET", path).status != 401]
        record.none_of("answered after the removal", reads, "a removed member's session is open")
        if min(refused["removed"], refused["lowered"]) >= LEAST_REFUSED:
            break
    record.measure("calls that were answered after the removal or the lower role", waited)
    record.at_least("of these refused to a removed member", refused["removed"], LEAST_REFUSED)
    record.at_least("of these refused to a member with a lower role", refused["lowered"], LEAST_REFUSED)


def _end_while_calls_wait(owner: Api, second: Person, third: Person) -> tuple[Ended, Ended]:
    """Removes the second owner and makes the third a viewer while calls of both wait behind a long change."""
    ids = {each["email"]: each["id"] for each in owner.call("GET", "/members").body["members"]}
    saver, remover = owner.duplicate(), owner.duplicate()
    of_second = [second.api.duplicate() for _ in range(WAITING_CALLS)]
    of_third = [
        each.duplicate()
        for each in (third.api, new_token(third.api, "write", "write"))
        for _ in range(WAITING_CALLS // 2)
    ]
    # A token can't rename an organization, so the third owner's calls add rules.
    waiting = [*(partial(_rename, each) for each in of_second), *(partial(_add_rule, each) for each in of_third)]
    for each in (saver, remover, *of_second, *of_third):
        # Connects before, so that only the call itself is left to do.
        each.call("GET", "/organization")
    with ThreadPoolExecutor(2 + len(waiting)) as pool:
        saving = pool.submit(saver.send, "PUT", "/policy", _long_policy())
        while not saving.done() and not saving.running():
            time.sleep(0.001)
        calls = [pool.submit(each) for each in waiting]
        answered = list(range(len(waiting)))
        # An answered call came before the long change began; it is sent again until all calls wait.
        while answered and not saving.done():
            # An answer to the second owner shows that earlier calls had been let in.
            for _ in range(PROBES):
                second.api.send("GET", "/organization")
            answered = [number for number, call in enumerate(calls) if call.done()]
            for number in answered:
                calls[number] = pool.submit(waiting[number])
        removal = pool.submit(remover.send, "DELETE", f"/members/{ids[second.email]}").result()
        lowering = pool.submit(remover.send, "PATCH", f"/members/{ids[third.email]}", {"role": "viewer"}).result()
        if (removal.status, lowering.status) != (204, 200):
            raise Inconclusive(f"an owner was not removed, or not made a viewer: {removal.body} {lowering.body}")
        answers = [each.result() for each in calls]
        if saving.result().status != 200:
            raise Inconclusive(f"the long change was not made: {saving.result().status} {saving.result().body}")
    for each in (saver, remover, *of_second, *of_third):
        each.close()
    return Ended(second, removal, answers[:WAITING_CALLS]), Ended(third, lowering, answers[WAITING_CALLS:])


def _rename(api: Api) -> Answer:
    return api.send("PATCH", "/organization", {"name": "sign-in"})


def _add_rule(api: Api) -> Answer:
    return api.send("POST", "/policy/rules", {"action": "allow", "source": "any", "destination": "any"})


def _long_policy() -> dict[str, Any]:
    """Returns a policy of many new rules, so that the hub has work to do."""
    first = secrets.randbelow(60_000) + 1
    rules = [
        {"action": "deny", "source": "any", "destination": "any", "protocol": "tcp", "ports": str(first + number)}
        for number in range(RULES)
    ]
    return {"default": "allow", "rules": rules}
