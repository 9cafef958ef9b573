"""The people of the organization, and invitations to it."""

from __future__ import annotations

import msgspec

from appliance.model.access import LOOK, MANAGE, PUBLIC, SELF
from appliance.model.errors import Suspended
from appliance.service import invitations, members
from appliance.store.invitations import Invitation
from appliance.store.members import Membership
from appliance.store.times import rfc3339
from appliance.web import login_guard
from appliance.web.api import paging
from appliance.web.api.routes import ApiCall, Route
from appliance.web.api.schemas import Body, Email, NewPassword, SessionAnswer, Unshown


class ChangeMember(Body, frozen=True):
    role: str


class Transfer(Body, frozen=True):
    member: str


class Leave(Body, frozen=True):
    password: str


class Invite(Body, frozen=True):
    email: Email
    role: str = "viewer"


class Accept(Body, frozen=True):
    token: str
    password: NewPassword


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
    """A new invitation. ``link`` can't be shown again; it is null if a letter brings it."""

    invitation: InvitationAnswer
    link: str | None


class InvitationsAnswer(msgspec.Struct, frozen=True):
    invitations: list[InvitationAnswer]
    next: str | None


def _members(call: ApiCall) -> MembersAnswer:
    return MembersAnswer(*paging.page_from(call, members.page, MemberAnswer.of))


def _change_member(call: ApiCall) -> MemberAnswer:
    body: ChangeMember = call.body
    return MemberAnswer.of(members.change_role(call.context, call.actor, call.parameters["id"], body.role))


def _remove_member(call: ApiCall) -> None:
    members.remove(call.context, call.actor, call.parameters["id"])


def _transfer_organization(call: ApiCall) -> MemberAnswer:
    body: Transfer = call.body
    return MemberAnswer.of(members.transfer(call.context, call.actor, body.member))


def _delete_account(call: ApiCall) -> None:
    body: Leave = call.body
    members.leave(call.context, call.actor, password=body.password)


def _invite(call: ApiCall) -> InvitedAnswer:
    body: Invite = call.body
    call.site.limits.invitation(call.request.address, call.actor.organization_id)
    invited = invitations.invite(call.context, call.actor, email=body.email, role=body.role)
    return InvitedAnswer(InvitationAnswer.of(invited.invitation), invited.link)


def _invitations(call: ApiCall) -> InvitationsAnswer:
    found = invitations.pending(call.context, call.actor)
    return InvitationsAnswer(*paging.page_of(call, found, lambda each: each.id, InvitationAnswer.of))


def _revoke_invitation(call: ApiCall) -> None:
    invitations.revoke(call.context, call.actor, call.parameters["id"])


def _accept_invitation(call: ApiCall) -> SessionAnswer:
    body: Accept = call.body
    return SessionAnswer.of(login_guard.accept_invitation(call.site, call.request, body.token, body.password))


ROUTES = (
    Route("GET", "/members", "The members", _members, answer=MembersAnswer, query=paging.QUERY, access=LOOK),
    Route("PATCH", "/members/{id}", "Change the role", _change_member, ChangeMember, MemberAnswer, access=MANAGE),
    Route("DELETE", "/members/{id}", "Remove a member's account", _remove_member, status=204, access=MANAGE),
    Route(
        "POST",
        "/organization/transfer",
        "Make another member the owner, and yourself an admin",
        _transfer_organization,
        Transfer,
        MemberAnswer,
        access=MANAGE,
        keeps_answer=True,
    ),
    Route(
        "DELETE",
        "/account",
        "Leave: delete your own account",
        _delete_account,
        Leave,
        status=204,
        access=SELF,
        asks_for_proof=True,
    ),
    Route("POST", "/invitations", "Invite a person", _invite, Invite, InvitedAnswer, 201, access=MANAGE),
    Route(
        "GET",
        "/invitations",
        "Pending invitations",
        _invitations,
        answer=InvitationsAnswer,
        query=paging.QUERY,
        access=MANAGE,
    ),
    Route("DELETE", "/invitations/{id}", "Revoke an invitation", _revoke_invitation, status=204, access=MANAGE),
    Route(
        "POST",
        "/invitations/accept",
        "Accept an invitation: a new account, signed in",
        _accept_invitation,
        Accept,
        SessionAnswer,
        201,
        access=PUBLIC,
        refusals=(Suspended,),
    ),
)
