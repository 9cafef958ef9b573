"""Getting a second factor, and giving it up."""

from __future__ import annotations

from dataclasses import replace

import bottle

from appliance.model.access import SELF
from appliance.model.errors import Refused
from appliance.service import enrolment
from appliance.service.enrolment import Proposal, Recovery
from appliance.web import entrance, request
from appliance.web.pages import account, qr, session_cookie
from appliance.web.pages.routes import Page, Visit

_PATH = f"{account.PATH}/second-factor"
_FORM = "second-factor"


def _propose(visit: Visit) -> bottle.HTTPResponse:
    return account.proven(
        visit,
        _FORM,
        lambda: enrolment.propose(visit.workplace, visit.actor, password=visit.form.text("password")),
        lambda made: _proposal_page(visit, made),
    )


def _proposal_page(visit: Visit, made: Proposal) -> bottle.HTTPResponse:
    return visit.page("second_factor.html", qr_code=qr.picture(made.uri), secret=made.secret)


def _enable(visit: Visit) -> bottle.HTTPResponse:
    try:
        with entrance.guessing(visit.site, visit.actor.email):
            recovery = enrolment.enable(
                visit.workplace, visit.actor, code=visit.form.text("code"), device=request.device()
            )
    except Refused as refusal:
        # The secret was shown once, so the page has it no more; the authenticator may.
        return visit.page("second_factor.html", refusal=refusal, qr_code=None, secret=None)
    return _recovery_page(visit, recovery)


def _disable(visit: Visit) -> bottle.HTTPResponse:
    return account.proven(
        visit,
        _FORM,
        lambda: enrolment.disable(
            visit.workplace,
            visit.actor,
            password=visit.form.text("password"),
            code=visit.form.text("code"),
            device=request.device(),
        ),
        account.entered(visit, "second-factor-off"),
    )


def _renew(visit: Visit) -> bottle.HTTPResponse:
    return account.proven(
        visit,
        _FORM,
        lambda: enrolment.renew_recovery_codes(
            visit.workplace,
            visit.actor,
            password=visit.form.text("password"),
            code=visit.form.text("code"),
            device=request.device(),
        ),
        lambda recovery: _recovery_page(visit, recovery),
    )


def _recovery_page(visit: Visit, recovery: Recovery) -> bottle.HTTPResponse:
    renewed = replace(visit, who=replace(visit.signed_in, token=recovery.session.token))
    answer = renewed.page("recovery_codes.html", codes=recovery.codes)
    session_cookie.give(visit, answer, recovery.session)
    return answer


PAGES = (
    Page("POST", _PATH, _propose, access=SELF),
    Page("POST", f"{_PATH}/enable", _enable, access=SELF),
    Page("POST", f"{_PATH}/disable", _disable, access=SELF),
    Page("POST", f"{_PATH}/recovery-codes", _renew, access=SELF),
)
