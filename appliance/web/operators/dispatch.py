"""Handlers for the table of operators' pages, with authentication, limits, CSRF protection and idempotent forms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from appliance.model.errors import NotFound, Refused, Unauthenticated
from appliance.service import operators
from appliance.web.authentication import noting_refusal
from appliance.web.handler import Handler
from appliance.web.operators.visits import COOKIE, HOME, OperatorAtWork, OperatorPage, OperatorVisit, ServiceFacts
from appliance.web.pages import forms, repetition, routes
from appliance.web.pages.forms import Form
from appliance.web.pages.view import View
from appliance.web.request import Request
from appliance.web.response import Response
from appliance.web.site import Site

LOG_IN = f"{HOME}/login"


def handlers(site: Site, view: View, facts: ServiceFacts, pages: Sequence[OperatorPage]) -> list[Handler]:
    """Make the handlers of these pages."""
    return [Handler(page.method, page.path, _answering(page, site, view, facts)) for page in pages]


def _answering(page: OperatorPage, site: Site, view: View, facts: ServiceFacts) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        who = _who(site, request, is_use=not page.is_polled)
        if who is None:
            site.limits.operator_stranger(request.address)
            if not operators.exist(site.context):
                return view.nothing()
        elif request.payer is not None:
            request.payer.shares = (who.operator.id,)
        visit = OperatorVisit(site, request, view, who, Form(), facts)
        if page.is_polled:
            return _polled(page, visit)
        try:
            if visit.who is None and not page.is_public:
                return routes.see_other(LOG_IN)
            if visit.who is not None:
                site.limits.read(request.address, visit.who.operator.id)
            if page.method != "POST":
                return page.handler(visit)
            visit = replace(visit, form=forms.read(request))
            return _once(page, visit)
        except Refused as refusal:
            return visit.problem(refusal)

    return answer


def _polled(page: OperatorPage, visit: OperatorVisit) -> Response:
    """Answer a page that asks for a part of itself; a refusal is a part too, which says what to do."""
    try:
        if visit.who is None:
            raise Unauthenticated("Your session has ended. Open this page again to sign in.")
        visit.site.limits.poll(visit.request.address, visit.who.operator.id)
        return page.handler(visit)
    except Refused as refusal:
        return visit.part_about(refusal)


def _once(page: OperatorPage, visit: OperatorVisit) -> Response:
    def work() -> tuple[Response, bool]:
        _check(page, visit)
        try:
            return page.handler(visit), True
        except Unauthenticated:
            if visit.who is not None:
                return routes.see_other(LOG_IN), False
            raise
        except NotFound:
            raise
        except Refused as refusal:
            if page.again is None:
                raise
            return page.again(visit, refusal), False

    request = visit.request
    cookies = (request.cookies.get(COOKIE), forms.form_token(request))
    return repetition.answered(visit.site, request, cookies, again=routes.repeated, work=work)


def _check(page: OperatorPage, visit: OperatorVisit) -> None:
    """Check that a form is genuine and within the limits; raises `Refused` if it is not."""
    if page.is_public:
        forms.check_form_token(visit.request, visit.form)
    else:
        who = visit.signed_in
        forms.check_csrf(visit.form, who.token, who.operator.id)
    forms.check_once(visit.form, visit.context.clock())
    if page.is_limited and visit.who is not None:
        visit.site.limits.operator_change(visit.who.operator.id)


def _who(site: Site, request: Request, *, is_use: bool) -> OperatorAtWork | None:
    held = request.cookies.get(COOKIE)
    if not held:
        return None
    try:
        with noting_refusal(request):
            return OperatorAtWork.find(site.context, held, is_use=is_use)
    except Unauthenticated:
        return None
