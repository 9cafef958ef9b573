"""The thread that sends mail."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from threading import Event, Thread

import pytest

from appliance.model.letters import Letter
from appliance.model.organization import Role
from appliance.service import (
    Actor,
    Context,
    deletion,
    invitations,
    mail,
    notices,
    password_change,
    resets,
    verification,
)
from appliance.web import postman
from appliance.web.limits import RateLimits
from appliance.web.rates import INVITATIONS_RECEIVED, LETTERS_PER_ORGANIZATION, LETTERS_PER_RECIPIENT, LETTERS_RECEIVED
from tests.appliance.clocks import after
from tests.appliance.conftest import sign_up
from tests.appliance.members import PASSWORD, again


class Relay:
    """A relay that signals when it has a letter."""

    def __init__(self) -> None:
        self.has_it = Event()

    def send(self, letter: Letter) -> None:
        assert letter.recipient == "asha@example.net"
        self.has_it.set()


def test_the_mail_thread_goes_on_after_a_failure(
    context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    composed = Event()

    def compose(*_: object) -> Letter:
        if not composed.is_set():
            composed.set()
            raise RuntimeError("the database is gone")
        return Letter("asha@example.net", "Hello", "")

    monkeypatch.setattr(postman, "COMPOSERS", {"greeting": compose})
    hours = itertools.count()
    sending = replace(context, sends_mail=True, clock=lambda: context.clock() + timedelta(hours=next(hours)))
    with sending.store.write() as transaction:
        mail.queue(sending, transaction, owner.organization_id, "greeting", "asha")
    relay, stopped = Relay(), Event()
    thread = Thread(target=postman.work, args=(sending, relay, RateLimits(), stopped, 0.01))
    thread.start()
    assert relay.has_it.wait(10)
    stopped.set()
    thread.join()
    assert composed.is_set()


class Box:
    """A relay that keeps letters, and signals when it has the given number."""

    def __init__(self, wanted: str) -> None:
        self.letters: list[Letter] = []
        self.has_it = Event()
        self._wanted = wanted

    def send(self, letter: Letter) -> None:
        self.letters.append(letter)
        if letter.recipient == self._wanted:
            self.has_it.set()


def test_letters_to_one_person_are_limited_for_all_senders(
    context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sends letters of all kinds from many organizations: they share one limit."""
    kinds = {
        kind: lambda _context, _transaction, about: Letter(about.partition(":")[2] or "asha@example.net", "", "")
        for kind in ("one", "two")
    }
    monkeypatch.setattr(postman, "COMPOSERS", kinds)
    sending = replace(context, sends_mail=True)
    with sending.store.write() as transaction:
        for number in range(9):
            for kind in ("one", "two"):
                mail.queue(sending, transaction, owner.organization_id if number % 2 else None, kind, str(number))
    later = after(sending, timedelta(seconds=1))
    with later.store.write() as transaction:
        mail.queue(later, transaction, None, "one", "0:b@example.net")
    relay, stopped = Box("b@example.net"), Event()
    thread = Thread(target=postman.work, args=(replace(later), relay, RateLimits(clock=lambda: 1000.0), stopped, 0.01))
    thread.start()
    assert relay.has_it.wait(20)
    stopped.set()
    thread.join()
    received = [each for each in relay.letters if each.recipient == "asha@example.net"]
    assert len(received) == LETTERS_RECEIVED[0].amount


def change_password(context: Context, actor: Actor, times: int) -> None:
    """Changes the actor's password to and fro."""
    for number in range(times):
        present, new = (f"{PASSWORD}{' again' if turn % 2 else ''}" for turn in (number, number + 1))
        password_change.change(context, again(context, actor), password=present, new_password=new)


def test_notices_flood_no_address_that_is_not_verified(context: Context) -> None:
    """Signs up with another person's address, changes the password and deletes the organization, again and again."""
    sending, limits, box = replace(context, sends_mail=True), RateLimits(clock=lambda: 1000.0), Box("")
    for _ in range(3):
        stranger = sign_up(sending, "asha@example.net")
        change_password(sending, stranger, notices.MOST_IN_AN_HOUR)
        postman.send_due(sending, box, limits)
        deletion.delete(sending, again(sending, stranger), confirm="acme-networks")
    assert 0 < len(box.letters) <= LETTERS_RECEIVED[0].amount


def test_notices_to_a_verified_address_are_not_counted(context: Context, owner: Actor) -> None:
    sending, limits, box = replace(context, sends_mail=True), RateLimits(clock=lambda: 1000.0), Box("")
    verification.confirm(sending, verification.issue(sending, owner.name).partition("=")[2])
    while limits.is_letter_admitted(None, owner.name):
        pass
    change_password(sending, owner, notices.MOST_IN_AN_HOUR)
    postman.send_due(sending, box, limits)
    assert [each.recipient for each in box.letters] == [owner.name] * notices.MOST_IN_AN_HOUR


def test_sign_ups_by_others_keep_no_invitation_from_anybody(context: Context, owner: Actor) -> None:
    """Signs up with another person's address and deletes the organization, again and again; then the person is invited.

    The person then signs up too, and gets the link that verifies the address by asking for it.
    """
    sending, limits, box = replace(context, sends_mail=True), RateLimits(clock=lambda: 1000.0), Box("")
    for _ in range(LETTERS_RECEIVED[0].amount):
        stranger = sign_up(sending, "asha@example.net")
        change_password(sending, stranger, 1)
        postman.send_due(sending, box, limits)
        deletion.delete(sending, again(sending, stranger), confirm="acme-networks")
    assert len(box.letters) == LETTERS_PER_RECIPIENT[0].amount
    invitations.invite(sending, owner, email="asha@example.net", role=Role.VIEWER)
    postman.send_due(sending, box, limits)
    assert box.letters[-1].subject == "An invitation to MeshWG"
    person = sign_up(sending, "asha@example.net")
    verification.ask_again(sending, person)
    postman.send_due(sending, box, limits)
    assert [each.subject for each in box.letters[-2:]] == ["An invitation to MeshWG", "Your e-mail address at MeshWG"]


def test_invitations_by_others_keep_no_reset_from_its_owner(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many organizations invite one person, who then asks for another password."""

    def compose(_context: Context, _transaction: object, about: str) -> Letter:
        return Letter(about.partition(" ")[2], about.partition(" ")[0], "")

    monkeypatch.setattr(postman, "COMPOSERS", {invitations.LETTER: compose, resets.LETTER: compose})
    sending = replace(context, sends_mail=True)
    with sending.store.write() as transaction:
        for number in range(LETTERS_RECEIVED[0].amount + 1):
            mail.queue(sending, transaction, None, invitations.LETTER, f"invited-{number} asha@example.net")
    later = after(sending, timedelta(seconds=1))
    with later.store.write() as transaction:
        mail.queue(later, transaction, None, resets.LETTER, "reset asha@example.net")
    latest = after(sending, timedelta(seconds=2))
    with latest.store.write() as transaction:
        mail.queue(latest, transaction, None, resets.LETTER, "other b@example.net")
    relay, stopped = Box("b@example.net"), Event()
    thread = Thread(target=postman.work, args=(latest, relay, RateLimits(clock=lambda: 1000.0), stopped, 0.01))
    thread.start()
    assert relay.has_it.wait(20)
    stopped.set()
    thread.join()
    subjects = [each.subject for each in relay.letters if each.recipient == "asha@example.net"]
    assert subjects[-1] == "reset"
    assert len(subjects) == INVITATIONS_RECEIVED[0].amount + 1


def test_resets_use_up_no_letters_of_an_organization(
    context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers ask for resets of very many members: an invitation by the organization is sent all the same."""

    def compose(_context: Context, _transaction: object, about: str) -> Letter:
        return Letter(about, "", "")

    monkeypatch.setattr(postman, "COMPOSERS", {invitations.LETTER: compose, resets.LETTER: compose})
    sending = replace(context, sends_mail=True)
    most = LETTERS_PER_ORGANIZATION[0].amount
    with sending.store.write() as transaction:
        for number in range(most):
            mail.queue(sending, transaction, owner.organization_id, resets.LETTER, f"{number}@example.net")
    later = after(sending, timedelta(seconds=1))
    with later.store.write() as transaction:
        mail.queue(later, transaction, owner.organization_id, invitations.LETTER, "invited@example.net")
    latest = after(sending, timedelta(seconds=2))
    with latest.store.write() as transaction:
        mail.queue(latest, transaction, owner.organization_id, resets.LETTER, "last@example.net")
    relay, stopped = Box("last@example.net"), Event()
    thread = Thread(target=postman.work, args=(latest, relay, RateLimits(clock=lambda: 1000.0), stopped, 0.01))
    thread.start()
    assert relay.has_it.wait(20)
    stopped.set()
    thread.join()
    assert [each.recipient for each in relay.letters[most:]] == ["invited@example.net", "last@example.net"]


def test_the_letters_of_an_organization_are_limited() -> None:
    limits = RateLimits(clock=lambda: 1000.0)
    admitted = [limits.is_letter_admitted("acme", f"{number}@example.net") for number in range(100)]
    assert admitted == [True] * LETTERS_PER_ORGANIZATION[0].amount + [False] * 40
    assert limits.is_letter_admitted("another", "0@example.net")
    assert limits.is_letter_admitted(None, "0@example.net")
    assert limits.refused == {("letters-sent", "one"): 40}
