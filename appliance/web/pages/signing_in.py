"""The log-in page, and what it leads to: the page that was asked for, or the form that was sent without a session.

A form that comes when its session has ended is kept in the log-in page, sealed (`service.drafts`), goes with every step
of the log-in, and is shown again to the same person. Nothing is changed before they send it again.
"""

from __future__ import annotations

from dataclasses import replace

from appliance.model.errors import Refused, Unauthenticated
from appliance.service import accounts, drafts, organizations, passkeys, sessions
from appliance.service.drafts import Draft
from appliance.service.sessions import Session
from appliance.web.pages import public_forms, routes, session_cookie
from appliance.web.pages.forms import Form
from appliance.web.pages.routes import HOME, Page, Visit, Who
from appliance.web.response import Response
from appliance.web.site import Site

DRAFT_FIELD = "draft"
_ENDED = "Your session has ended, and nothing was changed. "
_KEPT = _ENDED + "Sign in, and what you typed is there again."
_NOT_KEPT = _ENDED + "Sign in and begin again: what you typed is too long to be kept."
_BACK = "You are signed in again. Nothing was changed meanwhile: look at what you typed, and send it again."


def holder(site: Site, token: str) -> Who:
    """Find the member that this session belongs to.

    Raises:
        Unauthenticated: there is no such session, or it ended.
        NotFound: the organization is gone.
    """
    member = sessions.holder(site.context, token)
    actor = accounts.actor_for(member, token)
    return Who(actor, token, organizations.get(site.context, actor), drafts.mark_of(member))


def show(visit: Visit, following: str, refusal: Refused | None = None) -> Response:
    """The log-in page; afterwards it leads to ``following``, or to the draft that the form has."""
    return public_forms.page(
        visit,
        "login.html",
        refusal=refusal,
        following=following,
        draft=visit.form.text(DRAFT_FIELD),
        ended=visit.who is None and visit.request.session_token is not None,
        passkeys_origin=passkeys.origin(visit.context),
    )


def interrupted(page: Page, visit: Visit) -> Response:
    """The answer to a form whose session has ended: the log-in page, with the draft of what was typed."""
    form = visit.form
    if page.again is None or not form.mark:
        return routes.see_other("/login")
    fields = {name: form.text(name) for name in page.again.fields if name in form.fields}
    draft = drafts.sealed(Draft(visit.request.path, fields), form.mark, visit.context.clock())
    refusal = Unauthenticated(_NOT_KEPT if draft is None else _KEPT if fields else _ENDED + "Sign in again.")
    return show(replace(visit, form=Form({DRAFT_FIELD: draft or ""})), HOME, refusal)


def enter(visit: Visit, session: Session, following: str) -> Response:
    """Lead on with this session: to the draft of the same person, or to ``following``."""
    draft = visit.form.text(DRAFT_FIELD)
    if not draft:
        return session_cookie.enter(visit, session, following)
    answer = _resumed(visit, holder(visit.site, session.token), draft)
    if answer is None:
        return session_cookie.enter(visit, session, following, "not-kept")
    if visit.who is not None:
        sessions.log_out(visit.context, visit.who.token)
    return session_cookie.give(visit, answer, session)


def repeated(visit: Visit) -> Response | None:
    """The draft once more, where the log-in that led to it is sent again, as by a reload; None where none did."""
    draft = visit.form.text(DRAFT_FIELD)
    return _resumed(visit, visit.who, draft) if draft and visit.who is not None else None


def _resumed(visit: Visit, who: Who, sealed: str) -> Response | None:
    draft = drafts.opened(sealed, who.mark, visit.context.clock())
    found = visit.index.find(draft.path) if draft is not None else None
    if draft is None or found is None:
        return None
    page, again, parameters = found
    request = replace(visit.request, parameters=parameters)
    resumed = replace(visit, request=request, who=who, form=Form(draft.fields), notice=_BACK)
    try:
        page.access.check(who.actor.role, None)
        return again.show(resumed, None)
    except Refused as refusal:
        return resumed.problem(refusal)
