"""Handlers for the table of pages, with authentication, limits, CSRF protection and idempotent forms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from urllib.parse import quote

from appliance.model.errors import NotFound, Refused, Unauthenticated
from appliance.model.sentences import sentence
from appliance.service import Actor, repeats, tokens
from appliance.service.repeats import NothingDone
from appliance.store.repeats import StoredAnswer
from appliance.web.authentication import note_organization, noting_refusal
from appliance.web.handler import Handler
from appliance.web.pages import forms, repetition, routes, signing_in
from appliance.web.pages.forms import Form
from appliance.web.pages.outcomes import Outcome
from appliance.web.pages.routes import HOME, Index, Page, SignedIn, Visit
from appliance.web.pages.view import View
from appliance.web.payers import shares_of
from appliance.web.request import COOKIE, Request
from appliance.web.response import Response
from appliance.web.site import Site

_ENDED = sentence("Your session has ended, so this is not up to date any more.")


def handlers(site: Site, view: View, pages: Sequence[Page]) -> list[Handler]:
    """Make the handlers of these pages."""
    index = Index(pages)
    return [Handler(page.method, page.path, _answering(page, site, view, index)) for page in pages]


def _answering(page: Page, site: Site, view: View, index: Index) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        visit = Visit(site, request, view, _who(site, request, is_use=not page.polled), Form(), index)
        if page.polled:
            return _polled(page, visit)
        try:
            if visit.who is None:
                site.limits.stranger(request.address)
            elif page.revokes:
                site.limits.revocation(request.address, visit.actor.member_id)
            else:
                site.limits.read(request.address, *shares_of(visit.actor))
            if page.method != "POST":
                return _led_elsewhere(page, visit) or page.handler(visit)
            visit = replace(visit, form=forms.read(request))
            if page.once:
                return _once(page, visit)
            return _refused(page, visit) or page.handler(visit)
        except Refused as refusal:
            return _shown_again(page, visit, refusal)

    return answer


def _polled(page: Page, visit: Visit) -> Response:
    """Answer a page that asks for a part of itself; a refusal is a part too, which says what to do."""
    try:
        if page.access.is_public:
            visit.site.limits.public_poll(visit.request.address)
            return page.handler(visit)
        if visit.who is None:
            visit.site.limits.stranger(visit.request.address)
            raise Unauthenticated(_ENDED)
        visit.site.limits.poll(visit.request.address, *shares_of(visit.actor))
        page.access.check(visit.actor.role, None)
        return page.handler(visit)
    except Refused as refusal:
        return visit.refused(refusal)


def _shown_again(page: Page, visit: Visit, refusal: Refused) -> Response:
    """Show a refused form again with its input, or a problem page if that is not possible; a script gets a part."""
    if visit.wants_part:
        return visit.refused(refusal)
    if page.again and page.again.fields and visit.who and tokens.same(visit.who.mark, visit.form.mark):
        with suppress(Refused):
            page.access.check(visit.actor.role, None)
            return page.again.show(visit, refusal)
    return visit.problem(refusal)


def _once(page: Page, visit: Visit) -> Response:
    """Answer a form once; a repetition gets the earlier outcome."""
    request = visit.request

    def work() -> tuple[Response, bool]:
        refused = _refused(page, visit)
        if refused is not None:
            return refused, False
        is_noted = page.noted and not page.access.is_public
        answer = _noted(page, visit, request.content) if is_noted else page.handler(visit)
        # After the session has changed, a repetition can't be matched with the store's note for a member.
        return answer, not is_noted or _changes_session(answer)

    cookies = (request.session_token, forms.form_token(request))
    return repetition.answered(visit.site, request, cookies, again=visit.again, work=work)


def _noted(page: Page, visit: Visit, sent: bytes) -> Response:
    """Answer a member's form, and note the outcome in the store."""
    made: list[Response] = []

    def work(actor: Actor) -> StoredAnswer:
        made.append(page.handler(replace(visit, who=replace(visit.signed_in, actor=actor))))
        outcome = repetition.outcome_of(made[0])
        if outcome is None:
            raise NothingDone
        return StoredAnswer(made[0].status, outcome.where, outcome.notice.encode())

    try:
        before = repeats.idempotent_form(visit.context, visit.actor, form=sent, work=work)
    except NothingDone:
        return made[0]
    if before is None:
        return made[0]
    visit.site.form_posts.counted["told"] += 1
    if before.status is None:
        # Only forms that create a key note what they created.
        return visit.done(before.location or HOME, "key-shown" if before.location else "lost")
    return visit.again(Outcome(before.location or HOME, (before.body or b"").decode()))


def _refused(page: Page, visit: Visit) -> Response | None:
    """Check a form; returns a redirect if the visitor has to log in, and raises `Refused` if it is not acceptable."""
    elsewhere = _led_elsewhere(page, visit)
    if elsewhere is not None:
        return elsewhere
    if page.access.is_public:
        forms.check_form_token(visit.request, visit.form)
    else:
        forms.check_csrf(visit.form, visit.signed_in.token, visit.signed_in.mark)
    if page.once:
        forms.check_once(visit.form, visit.context.clock())
    if not page.access.is_public and not page.revokes:
        visit.site.limits.write(visit.request.address, *shares_of(visit.actor))
    return None


def _led_elsewhere(page: Page, visit: Visit) -> Response | None:
    """Check access; returns a redirect if the visitor has to log in, and raises `Forbidden` for the wrong role."""
    if visit.who is None:
        if page.access.is_public:
            return None
        if visit.wants_part:
            raise Unauthenticated(_ENDED)
        return signing_in.interrupted(page, visit) if page.method == "POST" else _to_log_in(visit.request)
    page.access.check(visit.actor.role, None)
    return None


def _changes_session(answer: Response) -> bool:
    return COOKIE in answer.cookies


def _who(site: Site, request: Request, *, is_use: bool) -> SignedIn | None:
    held = request.session_token
    if held is None:
        return None
    try:
        with noting_refusal(request):
            who = signing_in.holder(site, held, is_use=is_use)
    except (Unauthenticated, NotFound):
        return None
    note_organization(request, who.actor)
    return who


def _to_log_in(request: Request) -> Response:
    path = request.path
    if request.query_string:
        path += "?" + request.query_string
    if request.method not in ("GET", "HEAD") or not routes.is_local(path) or path == HOME:
        return routes.see_other("/login")
    return routes.see_other("/login?next=" + quote(path, safe="/"))
