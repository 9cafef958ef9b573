"""Members of the organization, and invitations."""

from __future__ import annotations

from appliance.model.access import LOOK, MANAGE, SELF
from appliance.model.errors import NotFound, Refused
from appliance.model.organization import Role
from appliance.model.sentences import Sentence
from appliance.service import factor_removals, invitations, members
from appliance.web.pages import account, session_cookie
from appliance.web.pages.outcomes import Outcome
from appliance.web.pages.routes import Again, Page, Visit
from appliance.web.pages.undo import Undo
from appliance.web.response import Response

_HERE = "/settings/people"
_PAGE_LENGTH = 200
_ROLES = [(role.value, Sentence(role.value)) for role in reversed(Role)]


def _invite(visit: Visit) -> Response:
    form = visit.form
    try:
        visit.site.limits.invitation(visit.request.address, visit.actor.organization_id)
        invited = invitations.invite(visit.context, visit.actor, email=form.text("email"), role=form.text("role"))
    except Refused as refusal:
        return _page(visit, refusal)
    if invited.link is None:
        return visit.done(_HERE, "invited")
    again = Outcome(_HERE, "link-shown")
    return visit.shown_once("invited.html", again, invitation=invited.invitation, link=invited.link)


def _revoke(visit: Visit) -> Response:
    revoked = invitations.revoke(visit.context, visit.actor, visit.parameters["id"])
    return visit.done(_HERE, "revoked", Undo(_HERE, {"email": revoked.email, "role": revoked.role.value}))


def _change_role(visit: Visit) -> Response:
    try:
        members.change_role(visit.context, visit.actor, visit.parameters["id"], visit.form.text("role"))
    except NotFound:
        raise
    except Refused as refusal:
        return _member_page(visit, refusal)
    return visit.done(_HERE, "role")


def _remove(visit: Visit) -> Response:
    members.remove(visit.context, visit.actor, visit.parameters["id"])
    return visit.done(_HERE, "member")


def _transfer(visit: Visit) -> Response:
    members.transfer(visit.context, visit.actor, visit.parameters["id"])
    return visit.done(_HERE, "transferred")


def _keep_factors(visit: Visit) -> Response:
    factor_removals.stop(visit.context, visit.actor, visit.parameters["id"])
    return visit.done(_HERE, "factors-kept")


def _leave(visit: Visit) -> Response:
    return account.proven(
        visit,
        "leave",
        lambda: members.leave(visit.context, visit.actor, password=visit.form.text("password")),
        # The session is gone with the account.
        lambda _: session_cookie.leave(visit, "/", "left"),
    )


def _page(visit: Visit, refusal: Refused | None = None) -> Response:
    after = visit.query.optional("after")
    found, following = members.page(visit.context, visit.actor, after=after, limit=_PAGE_LENGTH)
    return visit.page(
        "people.html",
        refusal=refusal,
        members=found,
        after=after,
        following=following,
        pending=invitations.pending(visit.context, visit.actor) if visit.signed_in.owns else [],
        removals=factor_removals.waiting(visit.context, visit.actor) if visit.signed_in.owns else [],
        roles=_ROLES,
        days=invitations.LIFETIME.days,
        sends_mail=visit.context.sends_mail,
        typed=visit.form,
    )


def _member_page(visit: Visit, refusal: Refused | None = None) -> Response:
    member = members.get(visit.context, visit.actor, visit.parameters["id"])
    return visit.page("member.html", refusal=refusal, member=member, roles=_ROLES, typed=visit.form)


PAGES = (
    Page("GET", _HERE, _page, access=LOOK),
    Page("POST", _HERE, _invite, access=MANAGE, again=Again(_page, ("email", "role"))),
    Page("POST", f"{_HERE}/invitations/<id>/revoke", _revoke, access=MANAGE, again=Again(_page), noted=False),
    Page("GET", f"{_HERE}/<id>", _member_page, access=MANAGE),
    Page("POST", f"{_HERE}/<id>/role", _change_role, access=MANAGE, again=Again(_member_page, ("role",))),
    Page("POST", f"{_HERE}/<id>/remove", _remove, access=MANAGE, again=Again(_member_page), noted=False),
    Page("POST", f"{_HERE}/<id>/transfer", _transfer, access=MANAGE, again=Again(_member_page)),
    Page("POST", f"{_HERE}/<id>/keep-factors", _keep_factors, access=MANAGE, again=Again(_page)),
    Page("POST", f"{account.PATH}/delete", _leave, access=SELF, again=account.again("leave")),
)
