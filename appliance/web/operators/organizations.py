"""Pages about organizations: the list, and one of them with what an operator may decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from appliance.model.errors import Refused
from appliance.model.organization import Role
from appliance.service import invitations, oversight, permits
from appliance.web import login_guard
from appliance.web.operators.visits import HOME, OperatorPage, OperatorVisit
from appliance.web.pages.outcomes import Outcome, reply
from appliance.web.response import Response

_ONE = f"{HOME}/organizations/<id>"
_PAGE_LENGTH = 50
_ROLES = [(role.value, role.value) for role in reversed(Role)]


def _list(visit: OperatorVisit, refusal: Refused | None = None) -> Response:
    query, after = visit.query.text("query"), visit.query.optional("after")
    found, following = oversight.page(visit.context, query=query, after=after, limit=_PAGE_LENGTH)
    links, link_count = oversight.sign_up_links(visit.context)
    return visit.page(
        "operator_organizations.html",
        refusal=refusal,
        organizations=found,
        query=query,
        after=after,
        following=following,
        days=permits.INVITED_FOR.days,
        sign_up=visit.context.sign_up,
        links=links,
        link_count=link_count,
        typed=visit.form,
    )


def _show(visit: OperatorVisit, refusal: Refused | None = None, form: str = "") -> Response:
    return visit.page(
        "operator_organization.html",
        refusal=refusal,
        refused_form=form,
        organization=oversight.look(visit.context, visit.signed_in, visit.parameters["id"]),
        roles=_ROLES,
        days=invitations.LIFETIME.days,
        sends_mail=visit.context.sends_mail,
        typed=visit.form,
    )


@contextmanager
def _guessing(visit: OperatorVisit) -> Iterator[None]:
    """Count a wrong code in the block like one at log-in."""
    account = login_guard.operator_account(visit.signed_in.operator.email)
    with login_guard.guessing(visit.site, visit.request, account):
        yield


def _suspend(visit: OperatorVisit) -> Response:
    with _guessing(visit):
        oversight.suspend(visit.context, visit.signed_in, visit.parameters["id"], code=visit.form.text("code"))
    return visit.done(_path(visit), "suspended")


def _resume(visit: OperatorVisit) -> Response:
    with _guessing(visit):
        oversight.resume(visit.context, visit.signed_in, visit.parameters["id"], code=visit.form.text("code"))
    return visit.done(_path(visit), "resumed")


def _invite(visit: OperatorVisit) -> Response:
    form, who = visit.form, visit.signed_in
    visit.site.limits.operator_link(who.operator.id)
    with _guessing(visit):
        invited = oversight.invite(
            visit.context,
            who,
            visit.parameters["id"],
            email=form.text("email"),
            role=form.text("role"),
            code=form.text("code"),
        )
    if invited.link is None:
        return visit.done(_path(visit), "invited")
    answer = visit.page("operator_link.html", link=invited.link, invitation=invited.invitation, back=_path(visit))
    return reply(answer, Outcome(_path(visit), "operator-link"))


def _invite_sign_up(visit: OperatorVisit) -> Response:
    who = visit.signed_in
    visit.site.limits.operator_link(who.operator.id)
    link = oversight.invite_sign_up(visit.context, who, visit.form.optional("email"))
    answer = visit.page("operator_link.html", link=link, invitation=None, back=HOME)
    return reply(answer, Outcome(HOME, "operator-link"))


def _revoke_sign_up(visit: OperatorVisit) -> Response:
    oversight.revoke_sign_up(visit.context, visit.signed_in, visit.parameters["id"])
    return visit.done(HOME, "link-revoked")


def _again(form: str) -> Callable[[OperatorVisit, Refused], Response]:
    return lambda visit, refusal: _show(visit, refusal, form)


def _path(visit: OperatorVisit) -> str:
    return f"{HOME}/organizations/{visit.parameters['id']}"


PAGES = (
    OperatorPage("GET", HOME, _list),
    OperatorPage("POST", f"{HOME}/sign-up-links", _invite_sign_up, again=_list),
    # A link in wrong hands must not stay for lack of an operator's share of changes.
    OperatorPage("POST", f"{HOME}/sign-up-links/<id>/revoke", _revoke_sign_up, is_limited=False),
    OperatorPage("GET", _ONE, _show),
    OperatorPage("POST", f"{_ONE}/suspend", _suspend, again=_again("state")),
    OperatorPage("POST", f"{_ONE}/resume", _resume, again=_again("state")),
    OperatorPage("POST", f"{_ONE}/invitations", _invite, again=_again("invite")),
)
