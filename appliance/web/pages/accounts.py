"""Sign-up, log-in and log-out."""

from __future__ import annotations

from appliance.model.access import PUBLIC, SELF
from appliance.model.addresses import DEFAULT_NETWORK
from appliance.model.errors import NotFound, NotOpen, Refused
from appliance.model.sign_up import SignUpMode
from appliance.service import passwords, permits
from appliance.service.log_in import CodePending
from appliance.web import login_guard
from appliance.web.pages import public_forms, routes, second_step, session_cookie, signing_in
from appliance.web.pages.outcomes import Outcome, reply
from appliance.web.pages.routes import HOME, Page, Visit
from appliance.web.response import Response


def _show_sign_up(visit: Visit) -> Response:
    if visit.who is not None:
        return routes.see_other(HOME)
    link = visit.query.optional("link")
    if visit.context.sign_up is SignUpMode.VERIFIED and link is None:
        return public_forms.page(visit, "signup_letter.html", refusal=None)
    return _sign_up_page(visit, link)


def _ask_to_sign_up(visit: Visit) -> Response:
    try:
        login_guard.ask_to_sign_up(visit.site, visit.request, visit.form.text("email"))
    except NotOpen:
        raise
    except Refused as refusal:
        return public_forms.page(visit, "signup_letter.html", refusal=refusal)
    return visit.told("signup_sent.html")


def _sign_up(visit: Visit) -> Response:
    form = visit.form
    try:
        session, _ = login_guard.sign_up(
            visit.site,
            visit.request,
            email=form.text("email"),
            password=form.text("password"),
            organization=form.text("organization"),
            network=form.optional("network"),
            link=form.optional("link"),
        )
    except (NotOpen, NotFound):
        raise
    except Refused as refusal:
        return _sign_up_page(visit, form.optional("link"), refusal=refusal)
    return reply(session_cookie.enter(visit, session, HOME), Outcome(HOME, "signed-up"))


def _show_log_in(visit: Visit) -> Response:
    following = routes.following(visit.query)
    if visit.who is not None:
        return routes.see_other(following)
    return signing_in.show(visit, following)


def _log_in(visit: Visit) -> Response:
    form = visit.form
    following = routes.following(form)
    again = signing_in.repeated(visit)
    if again is not None:
        return again
    try:
        session = login_guard.start_log_in(visit.site, visit.request, form.text("email"), form.text("password"))
    except CodePending as pending:
        return second_step.lead_to(visit, pending, following)
    except Refused as refusal:
        return signing_in.show(visit, following, refusal)
    # A repetition logs in again with the password, as the first answer's session may have been lost.
    return reply(signing_in.enter(visit, session, following), None)


def _log_out(visit: Visit) -> Response:
    return session_cookie.leave(visit, "/")


def _sign_up_page(visit: Visit, link: str | None, refusal: Refused | None = None) -> Response:
    permit = permits.find(visit.context, link)
    return public_forms.page(
        visit,
        "signup.html",
        refusal=refusal,
        link=link or "",
        invited=permit.email if permit else None,
        shortest_password=passwords.SHORTEST,
        default_network=DEFAULT_NETWORK,
    )


PAGES = (
    Page("GET", "/signup", _show_sign_up, access=PUBLIC),
    Page("POST", "/signup", _sign_up, access=PUBLIC),
    Page("POST", "/signup/letter", _ask_to_sign_up, access=PUBLIC),
    Page("GET", "/login", _show_log_in, access=PUBLIC),
    Page("POST", "/login", _log_in, access=PUBLIC),
    Page("POST", "/logout", _log_out, access=SELF, noted=False),
)
