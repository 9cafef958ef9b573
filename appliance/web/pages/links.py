"""Pages of links in letters: password reset and verification of an address.

Opening a link changes nothing, since mail scanners open links too; the form on its page makes the change.
"""

from __future__ import annotations

from appliance.model.access import PUBLIC
from appliance.model.errors import Refused
from appliance.service import passwords, verification
from appliance.web import login_guard
from appliance.web.pages import public_forms
from appliance.web.pages.routes import Page, Visit
from appliance.web.response import Response


def _show_forgotten(visit: Visit, refusal: Refused | None = None) -> Response:
    return public_forms.page(visit, "forgotten.html", refusal=refusal, sends_mail=visit.context.sends_mail)


def _ask_for_reset(visit: Visit) -> Response:
    try:
        login_guard.ask_for_reset(visit.site, visit.request, visit.form.text("email"))
    except Refused as refusal:
        return _show_forgotten(visit, refusal)
    return visit.told("forgotten_sent.html")


def _show_reset(visit: Visit) -> Response:
    return _reset_page(visit, visit.query.text("token"))


def _reset(visit: Visit) -> Response:
    token = visit.form.text("token")
    try:
        login_guard.complete_reset(visit.site, visit.request, token, visit.form.text("password"))
    except Refused as refusal:
        return _reset_page(visit, token, refusal)
    return visit.told("reset_done.html")


def _reset_page(visit: Visit, token: str, refusal: Refused | None = None) -> Response:
    return public_forms.page(visit, "reset.html", refusal=refusal, token=token, shortest_password=passwords.SHORTEST)


def _show_verify(visit: Visit) -> Response:
    return _verify_page(visit, visit.query.text("token"))


def _verify(visit: Visit) -> Response:
    token = visit.form.text("token")
    try:
        verification.confirm(visit.context, token)
    except Refused as refusal:
        return _verify_page(visit, token, refusal)
    return visit.told("verify_done.html")


def _verify_page(visit: Visit, token: str, refusal: Refused | None = None) -> Response:
    return public_forms.page(visit, "verify.html", refusal=refusal, token=token)


PAGES = (
    Page("GET", "/forgotten", _show_forgotten, access=PUBLIC),
    Page("POST", "/forgotten", _ask_for_reset, access=PUBLIC),
    Page("GET", "/reset", _show_reset, access=PUBLIC),
    Page("POST", "/reset", _reset, access=PUBLIC),
    Page("GET", "/verify", _show_verify, access=PUBLIC),
    Page("POST", "/verify", _verify, access=PUBLIC),
)
