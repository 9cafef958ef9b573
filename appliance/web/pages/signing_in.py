"""Log-in page, and the way back to the requested page or to a form whose session had ended.

Such a form is kept sealed in the log-in page (`service.drafts`) through every step of the log-in, and is shown again to
the same person. Nothing is changed before they send it again.
"""

from __future__ import annotations

from dataclasses import replace

from appliance.languages import say
from appliance.model.errors import Refused, Unauthenticated
from appliance.model.sentences import sentence
from appliance.service import accounts, drafts, organizations, passkeys, sessions
from appliance.service.drafts import Draft
from appliance.service.sessions import Session
from appliance.web.pages import public_forms, routes, session_cookie
from appliance.web.pages.forms import Form
from appliance.web.pages.routes import HOME, Page, SignedIn, Visit
from appliance.web.response import Response
from appliance.web.site import Site

DRAFT_FIELD = "draft"
_ENDED = sentence("Your session has ended, and nothing was changed. Sign in again.")
_KEPT = sentence("Your session has ended, and nothing was changed. Sign in, and your input is there again.")
_NOT_KEPT = sentence(
    "Your session has ended, and nothing was changed. Sign in and begin again: your input is too long to be kept."
)
_BACK = sentence("You are signed in again. Nothing was changed meanwhile: look at your input, and send it again.")


def holder(site: Site, token: str, *, is_use: bool = True) -> SignedIn:
    """Find the visitor of a session.

    Args:
        is_use: False for what a page asks for by itself, which does not keep the session from ending for lack of use.

    Raises:
        Unauthenticated: there is no such session, or it has ended.
        NotFound: the organization was removed.
    """
    member = sessions.holder(site.context, token, is_use=is_use)
    actor = accounts.actor_for(member, token)
    return SignedIn(actor, token, organizations.get(site.context, actor), drafts.mark_of(member))


def show(visit: Visit, following: str, refusal: Refused | None = None) -> Response:
    """Render the log-in page, which leads to ``following``, or to the form's draft."""
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
    """Render the log-in page for a form whose session has ended, with a draft of its input."""
    form = visit.form
    if page.again is None or not form.mark:
        return routes.see_other("/login")
    fields = {name: form.text(name) for name in page.again.fields if name in form.fields}
    draft = drafts.sealed(Draft(visit.request.path, fields), form.mark, visit.context.clock())
    refusal = Unauthenticated(_NOT_KEPT if draft is None else _KEPT if fields else _ENDED)
    return show(replace(visit, form=Form({DRAFT_FIELD: draft or ""})), HOME, refusal)


def enter(visit: Visit, session: Session, following: str) -> Response:
    """Go on with a new session: to the same person's draft, or to ``following``."""
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
    """Show the draft again after a repeated log-in, such as a reload; None if there is none."""
    draft = visit.form.text(DRAFT_FIELD)
    return _resumed(visit, visit.who, draft) if draft and visit.who is not None else None


def _resumed(visit: Visit, who: SignedIn, sealed: str) -> Response | None:
    draft = drafts.opened(sealed, who.mark, visit.context.clock())
    found = visit.index.find(draft.path) if draft is not None else None
    if draft is None or found is None:
        return None
    page, again, parameters = found
    request = replace(visit.request, parameters=parameters)
    resumed = replace(visit, request=request, who=who, form=Form(draft.fields), notice=say(_BACK))
    try:
        page.access.check(who.actor.role, None)
        return again.show(resumed, None)
    except Refused as refusal:
        return resumed.problem(refusal)
