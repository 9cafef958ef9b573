"""Pages of a new operator's link: a password, then a second factor, then recovery codes and the first session."""

from __future__ import annotations

from dataclasses import replace

from appliance.model.errors import Conflict, NotFound, Refused
from appliance.service import operators, passwords
from appliance.service.one_time_codes import Proposal
from appliance.web import login_guard
from appliance.web.operators.visits import HOME, OperatorAtWork, OperatorPage, OperatorVisit
from appliance.web.pages import public_forms, qr
from appliance.web.pages.outcomes import Outcome, reply
from appliance.web.response import Response

_PATH = f"{HOME}/join/<token>"


def _show(visit: OperatorVisit, refusal: Refused | None = None) -> Response:
    token = visit.parameters["token"]
    return public_forms.page(
        visit,
        "operator_join.html",
        refusal=refusal,
        account=operators.by_link(visit.context, token),
        token=token,
        shortest_password=passwords.SHORTEST,
    )


def _propose(visit: OperatorVisit) -> Response:
    token = visit.parameters["token"]
    try:
        with login_guard.hashing(visit.site, visit.request):
            made = operators.propose(visit.context, token, visit.form.text("password"))
    except NotFound:
        raise
    except Refused as refusal:
        return _show(visit, refusal)
    return reply(_factor_page(visit, made), Outcome(f"{HOME}/join/{token}", "operator-secret"))


def _factor_page(visit: OperatorVisit, made: Proposal | None, refusal: Refused | None = None) -> Response:
    picture, secret = (qr.picture(made.uri), made.secret) if made is not None else (None, None)
    token = visit.parameters["token"]
    return public_forms.page(
        visit, "operator_factor.html", refusal=refusal, qr_code=picture, secret=secret, token=token
    )


def _enrol(visit: OperatorVisit) -> Response:
    context, token = visit.context, visit.parameters["token"]
    account = login_guard.operator_account(operators.by_link(context, token).email)
    try:
        with login_guard.guessing(visit.site, visit.request, account):
            enrolled = operators.enrol(context, token, visit.form.text("code"), visit.request.device)
    except NotFound:
        raise
    except Refused as refusal:
        # The service can't show the secret again, but the form contains it.
        secret = visit.form.optional("secret")
        made = operators.proposed(context, token, secret) if secret else None
        if secret and made is None and refusal.field:
            refusal = Conflict("This is not the secret that was made last. Open your link again, and begin anew.")
        return _factor_page(visit, made, refusal)
    signed_in = replace(visit, who=OperatorAtWork.find(context, enrolled.session.token))
    answer = signed_in.page("operator_codes.html", codes=enrolled.codes)
    return reply(visit.give(answer, enrolled.session), Outcome(HOME, "operator-codes"))


PAGES = (
    OperatorPage("GET", _PATH, _show, is_public=True),
    OperatorPage("POST", _PATH, _propose, is_public=True),
    OperatorPage("POST", f"{_PATH}/enrol", _enrol, is_public=True),
)
