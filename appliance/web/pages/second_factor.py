"""Forms to enable and disable a second factor."""

from __future__ import annotations

from dataclasses import replace

from appliance.model.access import SELF
from appliance.model.errors import Conflict, Refused
from appliance.service import enrolment
from appliance.service.enrolment import Recovery
from appliance.service.one_time_codes import Proposal
from appliance.web import login_guard
from appliance.web.pages import account, qr, session_cookie
from appliance.web.pages.outcomes import Outcome, reply
from appliance.web.pages.routes import Page, Visit
from appliance.web.response import Response

_PATH = f"{account.PATH}/second-factor"
_FORM = "second-factor"


def _propose(visit: Visit) -> Response:
    return account.proven(
        visit,
        _FORM,
        lambda: enrolment.propose(visit.context, visit.actor, password=visit.form.text("password")),
        lambda made: _proposal_page(visit, made),
    )


def _proposal_page(visit: Visit, made: Proposal | None, refusal: Refused | None = None) -> Response:
    picture, secret = (qr.picture(made.uri), made.secret) if made is not None else (None, None)
    page = visit.page("second_factor.html", refusal=refusal, qr_code=picture, secret=secret)
    return page if refusal is not None else reply(page, Outcome(account.PATH, "secret-shown"))


def _enable(visit: Visit) -> Response:
    context = visit.context
    try:
        with login_guard.guessing(visit.site, visit.request, visit.actor.email):
            recovery = enrolment.enable(context, visit.actor, code=visit.form.text("code"), device=visit.request.device)
    except Refused as refusal:
        # The service can't show the secret again, but the form contains it.
        secret = visit.form.optional("secret")
        made = enrolment.proposed(context, visit.actor, secret) if secret else None
        if secret and made is None and refusal.field:
            refusal = Conflict("This is not the secret that was made last, so no code of it is taken. Begin again.")
        return _proposal_page(visit, made, refusal)
    return _recovery_page(visit, recovery)


def _disable(visit: Visit) -> Response:
    return account.proven(
        visit,
        _FORM,
        lambda: enrolment.disable(
            visit.context,
            visit.actor,
            password=visit.form.text("password"),
            code=visit.form.text("code"),
            device=visit.request.device,
        ),
        account.entered(visit, "second-factor-off"),
    )


def _renew(visit: Visit) -> Response:
    return account.proven(
        visit,
        _FORM,
        lambda: enrolment.renew_recovery_codes(
            visit.context,
            visit.actor,
            password=visit.form.text("password"),
            code=visit.form.text("code"),
            device=visit.request.device,
        ),
        lambda recovery: _recovery_page(visit, recovery),
    )


def _recovery_page(visit: Visit, recovery: Recovery) -> Response:
    renewed = replace(visit, who=replace(visit.signed_in, token=recovery.session.token))
    answer = renewed.shown_once("recovery_codes.html", Outcome(account.PATH, "codes-shown"), codes=recovery.codes)
    return session_cookie.give(visit, answer, recovery.session)


PAGES = (
    Page("POST", _PATH, _propose, access=SELF, again=account.again(_FORM)),
    Page("POST", f"{_PATH}/enable", _enable, access=SELF, again=account.again(_FORM)),
    Page("POST", f"{_PATH}/disable", _disable, access=SELF, again=account.again(_FORM)),
    Page("POST", f"{_PATH}/recovery-codes", _renew, access=SELF, again=account.again(_FORM)),
)
