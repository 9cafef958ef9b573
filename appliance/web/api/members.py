"""The people of the organization, and invitations to it."""

from __future__ import annotations

import msgspec

from appliance.model.access import LOOK, MANAGE, PUBLIC, SELF
from appliance.service import invitations, members
from appliance.store.invitations import Invitation
from appliance.store.members import Membership
from appliance.store.times import rfc3339
from appliance.web import login_guard
from appliance.web.api import paging
from appliance.web.api.routes import Asked, Call
from appliance.web.api.schemas import Body, SessionAnswer, Unshown


class ChangeMember(Body, frozen=True):
    role: str


class Transfer(Body, frozen=True):
    member: str


class Leave(Body, frozen=True):
    password: str


class Invite(Body, frozen=True):
    email: str
    role: str = "viewer"


class Accept(Body, frozen=True):
    token: str
    password: str


class MemberAnswer(msgspec.Struct, frozen=True):
    id: str
    email: str
    role: str
    since: str

    @classmethod
    def of(cls, member: Membership) -> MemberAnswer:
        return cls(member.id, member.email, member.role.value, rfc3339(member.since))


class MembersAnswer(msgspec.Struct, frozen=True):
    members: list[MemberAnswer]
    next: str | None


class InvitationAnswer(msgspec.Struct, frozen=True):
    id: str
    email: str
    role: str
    invited_by: str
    created_at: str
    expires_at: str

    @classmethod
    def of(cls, invitation: Invitation) -> InvitationAnswer:
        return cls(
            id=invitation.id,
            email=invitation.email,
            role=invitation.role.value,
            invited_by=invitation.invited_by,
            created_at=rfc3339(invitation.created_at),
            expires_at=rfc3339(invitation.expires_at),
        )


class InvitedAnswer(Unshown, frozen=True):
    """``link`` is shown here once; null where a letter brings it."""

    invitation: InvitationAnswer
    link: str | None


class InvitationsAnswer(msgspec.Struct, frozen=True):
    invitations: list[InvitationAnswer]
    next: str | None


def _members(asked: Asked) -> MembersAnswer:
    found, following = paging.page_from(asked, members.page)
    return MembersAnswer([MemberAnswer.of(each) for each in found], following)


def _change_member(asked: Asked) -> MemberAnswer:
    body: ChangeMember = asked.body
    return MemberAnswer.of(members.change_role(asked.site.context, asked.actor, asked.parameters["id"], body.role))


def _remove_member(asked: Asked) -> None:
    members.remove(asked.site.context, asked.actor, asked.parameters["id"])


def _transfer_organization(asked: Asked) -> MemberAnswer:
    body: Transfer = asked.body
    return MemberAnswer.of(members.transfer(asked.site.context, asked.actor, body.member))


def _delete_account(asked: Asked) -> None:
    body: Leave = asked.body
    members.leave(asked.site.context, asked.actor, password=body.password)


def _invite(asked: Asked) -> InvitedAnswer:
    body: Invite = asked.body
    asked.site.limits.invitation(asked.request.address, asked.actor.organization_id)
    invited = invitations.invite(asked.site.context, asked.actor, email=body.email, role=body.role)
    return InvitedAnswer(InvitationAnswer.of(invited.invitation), invited.link)


def _invitations(asked: Asked) -> InvitationsAnswer:
    found = invitations.pending(asked.site.context, asked.actor)
    page, following = paging.page_of(asked, found, lambda each: each.id)
    return InvitationsAnswer([InvitationAnswer.of(each) for each in page], following)


def _revoke_invitation(asked: Asked) -> None:
    invitations.revoke(asked.site.context, asked.actor, asked.parameters["id"])


def _accept_invitation(asked: Asked) -> SessionAnswer:
    body: Accept = asked.body
    return SessionAnswer.of(login_guard.accept_invitation(asked.site, asked.request, body.token, body.password))


CALLS = (
    Call("GET", "/members", "The members", _members, answer=MembersAnswer, query=paging.QUERY, access=LOOK),
    Call("PATCH", "/members/{id}", "Another role", _change_member, ChangeMember, MemberAnswer, access=MANAGE),
    Call("DELETE", "/members/{id}", "Remove a member's account", _remove_member, status=204, access=MANAGE),
    Call(
        "POST",
        "/organization/transfer",
        "Make another member the owner, and yourself an admin",
        _transfer_organization,
        Transfer,
        MemberAnswer,
        access=MANAGE,
        keeps_answer=True,
    ),
    Call(
        "DELETE",
        "/account",
        "Leave: delete your own account",
        _delete_account,
        Leave,
        status=204,
        access=SELF,
        asks_for_proof=True,
    ),
    Call("POST", "/invitations", "Invite a person", _invite, Invite, InvitedAnswer, 201, access=MANAGE),
    Call(
        "GET",
        "/invitations",
        "Pending invitations",
        _invitations,
        answer=InvitationsAnswer,
        query=paging.QUERY,
        access=MANAGE,
    ),
    Call("DELETE", "/invitations/{id}", "Revoke an invitation", _revoke_invitation, status=204, access=MANAGE),
    Call(
        "POST",
        "/invitations/accept",
        "Accept an invitation: a new account, signed in",
        _accept_invitation,
        Accept,
        SessionAnswer,
        201,
        access=PUBLIC,
    ),
)
