"""Invitations, each for one person, valid once and for a week."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier

import pytest

from appliance.model.errors import Conflict, Forbidden, Invalid, NotFound
from appliance.model.letters import Letter
from appliance.model.organization import Role
from appliance.service import Actor, Context, accounts, invitations, log_in, members, organizations, postman, tokens
from appliance.service.letters import COMPOSERS
from appliance.store import people, schema
from tests.appliance.clocks import after
from tests.appliance.conftest import sign_up
from tests.appliance.letterbox import delivered
from tests.appliance.members import NEW_PASSWORD, PASSWORD, again, colleague


def token_of(link: str | None) -> str:
    assert link is not None
    assert link.startswith("https://localhost:8443/join/mwi_")
    return link.rpartition("/")[2]


def invite(context: Context, owner: Actor, email: str = "ravi@example.net", role: str = "admin") -> str:
    return token_of(invitations.invite(context, owner, email=email, role=role).link)


def test_an_invitation_makes_an_account_in_its_role(context: Context, owner: Actor) -> None:
    token = invite(context, owner, " Ravi@Example.net ")
    offer = invitations.offer(context, token)
    assert (offer.organization, offer.invitation.email) == ("acme-networks", "ravi@example.net")
    session = invitations.accept(context, token=token, password=NEW_PASSWORD)
    actor = accounts.actor_of(context, session.token)
    # Whoever invited them had the link, too.
    assert accounts.member_of(context, actor).verified_at is None
    assert (actor.organization_id, actor.email, actor.role) == (owner.organization_id, "ravi@example.net", Role.ADMIN)
    assert log_in.log_in(context, email="ravi@example.net", password=NEW_PASSWORD)
    entries, _ = organizations.trail(context, owner)
    assert ("ravi@example.net", "member.joined") in [(entry.actor, entry.action) for entry in entries]
    assert ("owner@example.net", "member.invited") in [(entry.actor, entry.action) for entry in entries]


def test_an_invitation_is_stored_as_a_hash_and_works_once(context: Context, owner: Actor) -> None:
    token = invite(context, owner)
    with context.store.read() as transaction:
        row = transaction.execute(schema.invitations.select()).one()
    assert token not in repr(row)
    assert row.token_hash == tokens.hash_of(token)
    invitations.accept(context, token=token, password=NEW_PASSWORD)
    for wish in (
        lambda: invitations.offer(context, token),
        lambda: invitations.accept(context, token=token, password=NEW_PASSWORD),
    ):
        with pytest.raises(NotFound):
            wish()


def test_of_two_simultaneous_acceptances_one_succeeds(context: Context, owner: Actor) -> None:
    token = invite(context, owner)
    together = Barrier(2)

    def accept(password: str) -> bool:
        together.wait()
        try:
            invitations.accept(context, token=token, password=password)
        except NotFound:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(accept, (NEW_PASSWORD, NEW_PASSWORD + "s")))
    assert sorted(done) == [False, True]
    assert len(members.page(context, owner)[0]) == 2


def test_an_invitation_is_valid_for_a_week(context: Context, owner: Actor) -> None:
    token = invite(context, owner)
    invitations.offer(after(context, timedelta(days=6, hours=23)), token)
    late = after(context, timedelta(days=7, seconds=1))
    with pytest.raises(NotFound):
        invitations.accept(late, token=token, password=NEW_PASSWORD)
    assert invitations.pending(late, owner) == []
    # It does not stand in the way of a new one either.
    invite(late, again(late, owner))


def test_a_revoked_invitation_is_refused(context: Context, owner: Actor) -> None:
    token = invite(context, owner)
    (pending,) = invitations.pending(context, owner)
    invitations.revoke(context, owner, pending.id)
    with pytest.raises(NotFound):
        invitations.accept(context, token=token, password=NEW_PASSWORD)
    with pytest.raises(NotFound):
        invitations.revoke(context, owner, pending.id)
    assert invitations.pending(context, owner) == []


def test_invited_people_and_members_are_not_invited_again(context: Context, owner: Actor) -> None:
    invite(context, owner)
    with pytest.raises(Conflict):
        invite(context, owner, "RAVI@example.net")
    with pytest.raises(Conflict):
        invite(context, owner, owner.email)
    with pytest.raises(Invalid):
        invite(context, owner, "nobody")
    with pytest.raises(Invalid):
        invite(context, owner, "uma@example.net", "king")


def test_pending_invitations_are_bounded(context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invitations, "MOST_PENDING", 2)
    for name in ("a", "b"):
        invite(context, owner, f"{name}@example.net")
    with pytest.raises(Conflict, match="2 invitations"):
        invite(context, owner, "c@example.net")


def test_an_account_belongs_to_one_organization(context: Context, owner: Actor) -> None:
    other = sign_up(context, "ravi@example.net")
    token = invite(context, owner, "ravi@example.net")
    with pytest.raises(NotFound):
        invitations.accept(context, token=token, password=NEW_PASSWORD)
    found = log_in.log_in(context, email="ravi@example.net", password=PASSWORD)
    assert accounts.actor_of(context, found.token).organization_id == other.organization_id
    # The invitation is not used up by that.
    colleague(context, other, Role.OWNER)
    members.leave(context, other, password=PASSWORD)
    assert invitations.accept(context, token=token, password=NEW_PASSWORD)


def test_an_invitation_doesn_t_disclose_an_existing_account(context: Context, owner: Actor) -> None:
    """Compares with a revoked and an unknown invitation: all get the same answer."""
    sign_up(context, "ravi@example.net")
    token = invite(context, owner, "ravi@example.net")
    revoked = invite(context, owner, "uma@example.net")
    invitations.revoke(context, owner, invitations.pending(context, owner)[-1].id)
    told = set()
    for each in (token, revoked, tokens.new_token(tokens.INVITATION)):
        with pytest.raises(NotFound) as refusal:
            invitations.accept(context, token=each, password=NEW_PASSWORD)
        told.add((refusal.type, refusal.value.detail, refusal.value.field))
    assert len(told) == 1


def test_a_link_from_a_letter_tells_of_the_existing_account(context: Context, owner: Actor) -> None:
    mailing = replace(context, sends_mail=True)
    sign_up(context, "ravi@example.net")
    invitations.invite(mailing, owner, email="ravi@example.net", role="viewer")
    (letter,) = delivered(mailing)
    (link,) = (word for word in letter.text.split() if "/join/" in word)
    with pytest.raises(Conflict, match="belongs to one organization"):
        invitations.accept(mailing, token=link.rpartition("/")[2], password=NEW_PASSWORD)


def test_a_refused_password_leaves_the_invitation_valid(context: Context, owner: Actor) -> None:
    token = invite(context, owner)
    with pytest.raises(Invalid):
        invitations.accept(context, token=token, password="short")
    assert invitations.accept(context, token=token, password=NEW_PASSWORD)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.VIEWER])
def test_only_owners_invite(context: Context, owner: Actor, role: Role) -> None:
    invite(context, owner)
    (pending,) = invitations.pending(context, owner)
    actor = colleague(context, owner, role)
    for wish in (
        lambda: invite(context, actor, "uma@example.net"),
        lambda: invitations.pending(context, actor),
        lambda: invitations.revoke(context, actor, pending.id),
    ):
        with pytest.raises(Forbidden):
            wish()


def test_another_organization_s_invitation_does_not_exist(context: Context, owner: Actor) -> None:
    invite(context, owner)
    (pending,) = invitations.pending(context, owner)
    other = sign_up(context, "other@example.net")
    assert invitations.pending(context, other) == []
    with pytest.raises(NotFound):
        invitations.revoke(context, other, pending.id)


def test_with_a_relay_only_the_letter_has_the_link(context: Context, owner: Actor) -> None:
    sending = replace(context, sends_mail=True)
    invited = invitations.invite(sending, owner, email="ravi@example.net", role="viewer")
    assert invited.link is None
    with context.store.read() as transaction:
        assert transaction.execute(schema.invitations.select()).one().token_hash is None
    (letter,) = delivered(sending)
    assert letter.recipient == "ravi@example.net"
    assert "acme-networks" in letter.text
    assert "acme-networks" not in letter.subject
    link = next(word for word in letter.text.split() if "/join/" in word)
    session = invitations.accept(sending, token=token_of(link), password=NEW_PASSWORD)
    # Who has the link reads what comes to the address.
    assert accounts.member_of(sending, accounts.actor_of(sending, session.token)).verified_at is not None


def test_a_revoked_invitation_sends_no_letter(context: Context, owner: Actor) -> None:
    sending = replace(context, sends_mail=True)
    invited = invitations.invite(sending, owner, email="ravi@example.net", role="viewer")
    invitations.revoke(sending, owner, invited.invitation.id)

    class Relay:
        def send(self, letter: Letter) -> None:
            raise AssertionError(letter)

    assert postman.deliver_one(sending, Relay(), COMPOSERS)
    assert not postman.deliver_one(sending, Relay(), COMPOSERS)


def chooses(context: Context, actor: Actor, language: str) -> None:
    """Sets the language of letters to a member."""
    with context.store.write() as transaction:
        people.choose_language(transaction, actor.member_id, language)


def subject_of_letter(context: Context, actor: Actor) -> str:
    """Invites somebody without an account, and reads the subject of the letter."""
    sending = replace(context, sends_mail=True)
    invitations.invite(sending, actor, email="new@example.net", role="viewer")
    (letter,) = delivered(sending)
    return letter.subject


def test_a_letter_to_a_new_person_is_in_the_inviter_s_language(context: Context, owner: Actor) -> None:
    second = colleague(context, owner, Role.OWNER)
    chooses(context, second, "hi")
    assert subject_of_letter(context, second) == "MeshWG में निमंत्रण"


@pytest.mark.parametrize(("first", "subject"), [("hi", "MeshWG में निमंत्रण"), ("en", "An invitation to MeshWG")])
def test_the_operator_s_letter_is_in_the_oldest_owner_s_language(
    context: Context, owner: Actor, first: str, subject: str
) -> None:
    chooses(context, owner, first)
    for role in Role:
        chooses(context, colleague(context, owner, role), "en" if first == "hi" else "hi")
    assert subject_of_letter(context, Actor.operator(owner.organization_id)) == subject


def test_a_letter_to_a_person_with_an_account_is_in_theirs(context: Context, owner: Actor) -> None:
    chooses(context, owner, "hi")
    chooses(context, sign_up(context, "new@example.net"), "en")
    assert subject_of_letter(context, owner) == "An invitation to MeshWG"


def test_the_language_is_that_of_no_other_organization(context: Context, owner: Actor) -> None:
    chooses(context, owner, "hi")
    assert subject_of_letter(context, sign_up(context, "other@example.net")) == "An invitation to MeshWG"
