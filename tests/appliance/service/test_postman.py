"""Delivery of letters after the commit, with a limited number of retries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
import structlog
from sqlalchemy import Connection, func, select

from appliance.mail import Undeliverable, Unreachable
from appliance.model.letters import Letter
from appliance.service import Actor, Context, deletion, mail, postman
from appliance.store import schema
from appliance.store.mail import QueuedLetter
from tests.appliance.clocks import after
from tests.appliance.conftest import sign_up


@dataclass
class FakeRelay:
    """Keeps letters; fails with the given errors first."""

    failures: list[Exception] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)

    def send(self, letter: Letter) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.letters.append(letter)


@pytest.fixture
def owner(context: Context) -> Actor:
    """Signs an owner up before there is a relay, so that no letter is queued."""
    return sign_up(replace(context, sends_mail=False), "owner@example.net")


@pytest.fixture
def context(context: Context) -> Context:
    return replace(context, sends_mail=True)


def compose(context: Context, transaction: Connection, about: str) -> Letter | None:
    del context, transaction
    return None if about == "gone" else Letter(f"{about}@example.net", "Hello", "mws_hidden")


def queue(context: Context, owner: Actor, *about: str) -> None:
    with context.store.write() as transaction:
        for each in about:
            mail.queue(context, transaction, owner.organization_id, "greeting", each)


def deliver(context: Context, relay: FakeRelay) -> Sequence[str]:
    """Tries all due letters; returns the letters that the relay has."""
    while postman.deliver_one(context, relay, {"greeting": compose}):
        pass
    return [letter.recipient for letter in relay.letters]


def queued(context: Context) -> int:
    with context.store.read() as transaction:
        return transaction.execute(select(func.count()).select_from(schema.mail)).scalar_one()


def test_each_letter_is_sent_once(context: Context, owner: Actor) -> None:
    queue(context, owner, "asha", "ravi")
    relay = FakeRelay()
    assert deliver(context, relay) == ["asha@example.net", "ravi@example.net"]
    assert queued(context) == 0
    assert len(deliver(after(context, timedelta(days=1)), relay)) == 2


def test_organizations_take_turns_with_their_letters(context: Context, owner: Actor) -> None:
    """Queues many letters for one organization before another one, and a stranger, have one each."""
    other = sign_up(replace(context, sends_mail=False), "other@example.net")
    relay = FakeRelay()
    queue(context, owner, *(f"notice{number}" for number in range(20)))
    assert postman.deliver_one(context, relay, {"greeting": compose})
    queue(context, other, "asha", "ravi")
    with context.store.write() as transaction:
        mail.queue(context, transaction, None, "greeting", "new")
    sent = [each.partition("@")[0] for each in deliver(context, relay)]
    assert sent[:6] == ["notice0", "asha", "new", "notice1", "ravi", "notice2"]
    assert len(sent) == 23


def test_an_uncommitted_letter_is_not_sent(context: Context, owner: Actor) -> None:
    def fail() -> None:
        with context.store.write() as transaction:
            assert mail.queue(context, transaction, owner.organization_id, "greeting", "asha")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert deliver(context, FakeRelay()) == []


def test_without_a_relay_nothing_is_queued(context: Context, owner: Actor) -> None:
    with context.store.write() as transaction:
        assert not mail.queue(
            replace(context, sends_mail=False), transaction, owner.organization_id, "greeting", "asha"
        )
    assert queued(context) == 0


def test_a_second_letter_about_the_same_thing_is_not_queued(context: Context, owner: Actor) -> None:
    for _ in range(3):
        queue(context, owner, "asha")
    assert queued(context) == 1


def test_an_outdated_letter_is_dropped(context: Context, owner: Actor) -> None:
    queue(context, owner, "gone")
    assert deliver(context, FakeRelay()) == []
    assert queued(context) == 0


def test_a_failed_letter_is_retried_and_others_go_on(context: Context, owner: Actor) -> None:
    queue(context, owner, "asha", "ravi")
    relay = FakeRelay([Unreachable("away")])
    assert deliver(context, relay) == ["ravi@example.net"]
    early = after(context, postman.pause_after(1) - timedelta(seconds=1))
    assert len(deliver(early, relay)) == 1
    assert deliver(after(context, postman.pause_after(1) + timedelta(seconds=1)), relay)[-1] == "asha@example.net"


def test_attempts_are_bounded_and_their_pauses_grow(context: Context, owner: Actor) -> None:
    queue(context, owner, "asha")
    relay = FakeRelay([Unreachable("away")] * 100)
    later = context
    for attempt in range(1, postman.MOST_ATTEMPTS + 1):
        deliver(later, relay)
        later = after(later, postman.pause_after(attempt))
    assert len(relay.failures) == 100 - postman.MOST_ATTEMPTS
    assert queued(context) == 0
    pauses = [postman.pause_after(attempt) for attempt in range(1, postman.MOST_ATTEMPTS)]
    assert pauses == sorted(pauses)
    assert timedelta(hours=12) < sum(pauses, timedelta()) < timedelta(days=1)


def test_a_letter_that_can_t_be_written_stops_no_other(context: Context, owner: Actor) -> None:
    """Tries a letter whose writing fails for as long as the store has it: it is given up like any other."""

    def fail(context: Context, transaction: Connection, about: str) -> Letter | None:
        if about == "broken":
            raise LookupError("a fault of ours")
        return compose(context, transaction, about)

    queue(context, owner, "broken")
    later = context
    for attempt in range(1, postman.MOST_ATTEMPTS + 1):
        with pytest.raises(LookupError):
            postman.deliver_one(later, FakeRelay(), {"greeting": fail})
        later = after(later, postman.pause_after(attempt))
    queue(later, owner, "asha")
    relay = FakeRelay()
    while postman.deliver_one(later, relay, {"greeting": fail}):
        pass
    assert [letter.recipient for letter in relay.letters] == ["asha@example.net"]
    assert queued(context) == 0


def test_a_permanent_refusal_is_not_tried_again(context: Context, owner: Actor) -> None:
    queue(context, owner, "asha")
    assert deliver(context, FakeRelay([Undeliverable("no such person")])) == []
    assert queued(context) == 0


def test_the_log_names_neither_person_nor_content(context: Context, owner: Actor) -> None:
    queue(context, owner, "asha", "ravi", "uma")
    with structlog.testing.capture_logs() as lines:
        deliver(context, FakeRelay([Unreachable("away"), Undeliverable("never")]))
    assert [line["event"] for line in lines] == [
        "a letter is tried again later",
        "a letter was given up",
        "a letter was sent",
    ]
    for secret in ("asha", "ravi", "uma", "mws_"):
        assert secret not in str(lines)


def test_two_processes_do_not_send_the_same_letter(context: Context, owner: Actor) -> None:
    queue(context, owner, "asha")
    first = FakeRelay()

    class Meanwhile(FakeRelay):
        def send(self, letter: Letter) -> None:
            deliver(context, first)
            super().send(letter)

    assert deliver(context, Meanwhile()) == ["asha@example.net"]
    assert first.letters == []


def test_deleting_an_organization_deletes_its_letters(context: Context, owner: Actor) -> None:
    other = sign_up(replace(context, sends_mail=False), "other@example.net")
    queue(context, owner, "asha")
    queue(context, other, "ravi")
    deletion.delete(context, owner, confirm="acme-networks")
    assert deliver(context, FakeRelay()) == ["ravi@example.net"]


def test_a_letter_that_is_not_admitted_is_dropped_at_once(context: Context, owner: Actor) -> None:
    asked: list[str] = []

    def admits(queued: QueuedLetter, letter: Letter) -> bool:
        assert queued.organization_id == owner.organization_id
        asked.append(letter.recipient)
        return letter.recipient != "b@example.net"

    queue(context, owner, "a", "b")
    relay = FakeRelay([Unreachable("away")])
    for minutes in (0, 10, 20):
        at = after(context, timedelta(minutes=minutes))
        while postman.deliver_one(at, relay, {"greeting": compose}, admits):
            pass
    assert [each.recipient for each in relay.letters] == ["a@example.net"]
    assert sorted(asked) == ["a@example.net", "b@example.net"]
    with context.store.read() as transaction:
        assert transaction.execute(select(func.count()).select_from(schema.mail)).scalar() == 0
