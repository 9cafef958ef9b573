"""Invitations: one person, once, for a week."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier

import pytest

from appliance.model.errors import Conflict, Forbidden, Invalid, NotFound
from appliance.model.letters import Letter
from appliance.model.organization import Role
from appliance.service import Actor, Workplace, accounts, invitations, log_in, members, organizations, postman, tokens
from appliance.service.letters import COMPOSERS
from appliance.store import schema
from tests.appliance.conftest import sign_up
from tests.appliance.letterbox import delivered
from tests.appliance.members import again, colleague

PASSWORD = "a password of their own"


def token_of(link: str | None) -> str:
    assert link is not None
    assert link.startswith("https://localhost:8443/join/mwi_")
    return link.rpartition("/")[2]


def invite(workplace: Workplace, owner: Actor, email: str = "ravi@example.net", role: str = "admin") -> str:
    return token_of(invitations.invite(workplace, owner, email=email, role=role).link)


def test_an_invitation_makes_an_account_in_its_role(workplace: Workplace, owner: Actor) -> None:
    token = invite(workplace, owner, " Ravi@Example.net ")
    offer = invitations.offer(workplace, token)
    assert (offer.organization, offer.invitation.email) == ("acme-networks", "ravi@example.net")
    session = invitations.accept(workplace, token=token, password=PASSWORD)
    actor = accounts.actor_of(workplace, session.token)
    # Whoever invited them had the link, too.
    assert accounts.member_of(workplace, actor).verified_at is None
    assert (actor.organization_id, actor.email, actor.role) == (owner.organization_id, "ravi@example.net", Role.ADMIN)
    assert log_in.at_once(workplace, email="ravi@example.net", password=PASSWORD)
    entries, _ = organizations.trail(workplace, owner)
    assert ("ravi@example.net", "member.joined") in [(entry.actor, entry.action) for entry in entries]
    assert ("owner@example.net", "member.invited") in [(entry.actor, entry.action) for entry in entries]


def test_it_is_stored_as_a_hash_and_works_once(workplace: Workplace, owner: Actor) -> None:
    token = invite(workplace, owner)
    with workplace.store.read() as transaction:
        row = transaction.execute(schema.invitations.select()).one()
    assert token not in repr(row)
    assert row.token_hash == tokens.hash_of(token)
    invitations.accept(workplace, token=token, password=PASSWORD)
    for wish in (
        lambda: invitations.offer(workplace, token),
        lambda: invitations.accept(workplace, token=token, password=PASSWORD),
    ):
        with pytest.raises(NotFound):
            wish()


def test_of_two_who_accept_at_once_one_does(workplace: Workplace, owner: Actor) -> None:
    token = invite(workplace, owner)
    together = Barrier(2)

    def accept(password: str) -> bool:
        together.wait()
        try:
            invitations.accept(workplace, token=token, password=password)
        except NotFound:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(accept, (PASSWORD, PASSWORD + "s")))
    assert sorted(done) == [False, True]
    assert len(members.page(workplace, owner)[0]) == 2


def test_it_holds_for_a_week(workplace: Workplace, owner: Actor) -> None:
    token = invite(workplace, owner)
    now = workplace.clock()
    invitations.offer(replace(workplace, clock=lambda: now + timedelta(days=6, hours=23)), token)
    late = replace(workplace, clock=lambda: now + timedelta(days=7, seconds=1))
    with pytest.raises(NotFound):
        invitations.accept(late, token=token, password=PASSWORD)
    assert invitations.pending(late, owner) == []
    # It does not stand in the way of a new one either.
    invite(late, again(late, owner))


def test_a_revoked_one_leads_nowhere(workplace: Workplace, owner: Actor) -> None:
    token = invite(workplace, owner)
    (pending,) = invitations.pending(workplace, owner)
    invitations.revoke(workplace, owner, pending.id)
    with pytest.raises(NotFound):
        invitations.accept(workplace, token=token, password=PASSWORD)
    with pytest.raises(NotFound):
        invitations.revoke(workplace, owner, pending.id)
    assert invitations.pending(workplace, owner) == []


def test_nobody_is_invited_twice_and_no_member_is(workplace: Workplace, owner: Actor) -> None:
    invite(workplace, owner)
    with pytest.raises(Conflict):
        invite(workplace, owner, "RAVI@example.net")
    with pytest.raises(Conflict):
        invite(workplace, owner, owner.email)
    with pytest.raises(Invalid):
        invite(workplace, owner, "nobody")
    with pytest.raises(Invalid):
        invite(workplace, owner, "uma@example.net", "king")


def test_pending_ones_are_bounded(workplace: Workplace, owner: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invitations, "MOST_PENDING", 2)
    for name in ("a", "b"):
        invite(workplace, owner, f"{name}@example.net")
    with pytest.raises(Conflict, match="2 invitations"):
        invite(workplace, owner, "c@example.net")


def test_an_account_belongs_to_one_organization(workplace: Workplace, owner: Actor) -> None:
    other = sign_up(workplace, "ravi@example.net")
    token = invite(workplace, owner, "ravi@example.net")
    with pytest.raises(NotFound):
        invitations.accept(workplace, token=token, password=PASSWORD)
    found = log_in.at_once(workplace, email="ravi@example.net", password="correct horse battery")
    assert accounts.actor_of(workplace, found.token).organization_id == other.organization_id
    # The invitation is not used up by that.
    colleague(workplace, other, Role.OWNER)
    members.leave(workplace, other, password="correct horse battery")
    assert invitations.accept(workplace, token=token, password=PASSWORD)


def test_only_a_letter_to_the_address_lets_somebody_learn_of_its_account(workplace: Workplace, owner: Actor) -> None:
    """Who has the link to pass on is told the same as where the link is over."""
    sign_up(workplace, "ravi@example.net")
    token = invite(workplace, owner, "ravi@example.net")
    revoked = invite(workplace, owner, "uma@example.net")
    invitations.revoke(workplace, owner, invitations.pending(workplace, owner)[-1].id)
    told = set()
    for each in (token, revoked, tokens.new_token(tokens.INVITATION)):
        with pytest.raises(NotFound) as refusal:
            invitations.accept(workplace, token=each, password=PASSWORD)
        told.add((refusal.type, refusal.value.detail, refusal.value.field))
    assert len(told) == 1


def test_a_letter_s_reader_is_told_of_their_account(workplace: Workplace, owner: Actor) -> None:
    mailing = replace(workplace, sends_mail=True)
    sign_up(workplace, "ravi@example.net")
    invitations.invite(mailing, owner, email="ravi@example.net", role="viewer")
    (letter,) = delivered(mailing)
    (link,) = (word for word in letter.text.split() if "/join/" in word)
    with pytest.raises(Conflict, match="belongs to one organization"):
        invitations.accept(mailing, token=link.rpartition("/")[2], password=PASSWORD)


def test_a_password_that_may_not_be_chosen_uses_nothing_up(workplace: Workplace, owner: Actor) -> None:
    token = invite(workplace, owner)
    with pytest.raises(Invalid):
        invitations.accept(workplace, token=token, password="short")
    assert invitations.accept(workplace, token=token, password=PASSWORD)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.VIEWER])
def test_inviting_is_an_owner_s(workplace: Workplace, owner: Actor, role: Role) -> None:
    invite(workplace, owner)
    (pending,) = invitations.pending(workplace, owner)
    actor = colleague(workplace, owner, role)
    for wish in (
        lambda: invite(workplace, actor, "uma@example.net"),
        lambda: invitations.pending(workplace, actor),
        lambda: invitations.revoke(workplace, actor, pending.id),
    ):
        with pytest.raises(Forbidden):
            wish()


def test_another_organization_s_is_not_there(workplace: Workplace, owner: Actor) -> None:
    invite(workplace, owner)
    (pending,) = invitations.pending(workplace, owner)
    other = sign_up(workplace, "other@example.net")
    assert invitations.pending(workplace, other) == []
    with pytest.raises(NotFound):
        invitations.revoke(workplace, other, pending.id)


def test_where_mail_is_sent_only_the_letter_has_the_link(workplace: Workplace, owner: Actor) -> None:
    sending = replace(workplace, sends_mail=True)
    invited = invitations.invite(sending, owner, email="ravi@example.net", role="viewer")
    assert invited.link is None
    with workplace.store.read() as transaction:
        assert transaction.execute(schema.invitations.select()).one().token_hash is None
    (letter,) = delivered(sending)
    assert letter.recipient == "ravi@example.net"
    assert "acme-networks" in letter.text
    assert "acme-networks" not in letter.subject
    link = next(word for word in letter.text.split() if "/join/" in word)
    session = invitations.accept(sending, token=token_of(link), password=PASSWORD)
    # Who has the link reads what comes to the address.
    assert accounts.member_of(sending, accounts.actor_of(sending, session.token)).verified_at is not None


def test_no_letter_about_an_invitation_that_is_gone(workplace: Workplace, owner: Actor) -> None:
    sending = replace(workplace, sends_mail=True)
    invited = invitations.invite(sending, owner, email="ravi@example.net", role="viewer")
    invitations.revoke(sending, owner, invited.invitation.id)

    class Relay:
        def send(self, letter: Letter) -> None:
            raise AssertionError(letter)

    assert postman.deliver_one(sending, Relay(), COMPOSERS)
    assert not postman.deliver_one(sending, Relay(), COMPOSERS)
