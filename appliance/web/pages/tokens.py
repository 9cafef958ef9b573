"""Pages of API tokens."""

from __future__ import annotations

from appliance.model.access import SELF, Scope
from appliance.model.errors import Refused
from appliance.model.sentences import sentence
from appliance.service import api_tokens, second_factor
from appliance.web import login_guard
from appliance.web.pages.outcomes import Outcome
from appliance.web.pages.routes import Again, Page, Visit
from appliance.web.response import Response

_HERE = "/settings/tokens"
_PAGE_LENGTH = 200
_SCOPES = {Scope.READ: sentence("reading"), Scope.WRITE: sentence("reading and changing")}


def _issue(visit: Visit) -> Response:
    form = visit.form
    try:
        days = form.number("days")
        with login_guard.guessing(visit.site, visit.request, visit.actor.email):
            issued = api_tokens.issue(
                visit.context,
                visit.actor,
                password=form.text("password"),
                name=form.text("name"),
                scope=form.text("scope"),
                days=api_tokens.USUAL_DAYS if days is None else days,
                code=form.optional("code"),
                device=visit.request.device,
            )
    except Refused as refusal:
        return _page(visit, refusal)
    return visit.shown_once("token.html", Outcome(_HERE, "token-shown"), token=issued.token, text=issued.text)


def _revoke(visit: Visit) -> Response:
    api_tokens.revoke(visit.context, visit.actor, visit.parameters["id"])
    return visit.done(_HERE, "token")


def _page(visit: Visit, refusal: Refused | None = None) -> Response:
    after = visit.query.optional("after")
    found, following = api_tokens.page(visit.context, visit.actor, after=after, limit=_PAGE_LENGTH)
    allowed = [scope for scope in Scope if scope is Scope.READ or visit.actor.role.may_change]
    return visit.page(
        "tokens.html",
        refusal=refusal,
        tokens=found,
        after=after,
        following=following,
        factor=second_factor.state(visit.context, visit.actor),
        scopes=[(scope.value, _SCOPES[scope]) for scope in allowed],
        usual_days=api_tokens.USUAL_DAYS,
        longest_days=api_tokens.LONGEST_DAYS,
        now=visit.context.clock(),
        typed=visit.form,
    )


PAGES = (
    Page("GET", _HERE, _page, access=SELF),
    Page("POST", _HERE, _issue, access=SELF, again=Again(_page, ("name", "scope", "days"))),
    Page("POST", f"{_HERE}/<id>/revoke", _revoke, access=SELF, again=Again(_page), noted=False),
)
