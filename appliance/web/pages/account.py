"""The visitor's own account: password and sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from appliance.model.access import SELF
from appliance.model.errors import Refused
from appliance.service import accounts, factor_removals, passkeys, password_change, passwords, second_factor, sessions
from appliance.service.sessions import Session
from appliance.web import login_guard
from appliance.web.pages import session_cookie
from appliance.web.pages.routes import Again, Page, Visit
from appliance.web.response import Response

PATH = "/account"
_Made = TypeVar("_Made")


def show(visit: Visit, refusal: Refused | None = None, refused_form: str = "") -> Response:
    """Render the account's page.

    Args:
        refused_form: name of the form that was refused.
    """
    return visit.page(
        "account.html",
        refusal=refusal,
        refused_form=refused_form,
        member=accounts.member_of(visit.context, visit.actor),
        factor=second_factor.state(visit.context, visit.actor),
        removal=factor_removals.own(visit.context, visit.actor),
        passkeys=passkeys.all_of(visit.context, visit.actor),
        passkeys_origin=passkeys.origin(visit.context),
        sends_mail=visit.context.sends_mail,
        sessions=sessions.all_of(visit.context, visit.actor, visit.signed_in.token),
        now=visit.context.clock(),
        shortest_password=passwords.SHORTEST,
        typed=visit.form,
        of_passkey=visit.parameters.get("id", ""),
    )


def proven(visit: Visit, form: str, change: Callable[[], _Made], answer: Callable[[_Made], Response]) -> Response:
    """Handle a form with a password or a code; a wrong one counts (`login_guard.guessing`).

    Args:
        form: name of the form, to show a refusal there.
        change: checks the proof and makes the change.
        answer: makes the answer from the result.
    """
    try:
        with login_guard.guessing(visit.site, visit.request, visit.actor.email):
            made = change()
    except Refused as refusal:
        return show(visit, refusal, form)
    return answer(made)


def entered(visit: Visit, done: str) -> Callable[[Session], Response]:
    """Make an ``answer`` for `proven`: back to the page with the new session, and the notice ``done``."""
    return lambda session: session_cookie.enter(visit, session, PATH, done)


def _change_password(visit: Visit) -> Response:
    return proven(
        visit,
        "password",
        lambda: password_change.change(
            visit.context,
            visit.actor,
            password=visit.form.text("password"),
            new_password=visit.form.text("new_password"),
            keep_tokens=visit.form.is_checked("keep_tokens"),
            keep_passkeys=visit.form.is_checked("keep_passkeys"),
            device=visit.request.device,
        ),
        entered(visit, "password"),
    )


def _ask_for_verification(visit: Visit) -> Response:
    try:
        login_guard.ask_for_verification(visit.site, visit.request, visit.actor)
    except Refused as refusal:
        return show(visit, refusal, "verification")
    return visit.done(PATH, "verification")


def _end_session(visit: Visit) -> Response:
    try:
        sessions.end(visit.context, visit.actor, visit.parameters["id"])
    except Refused as refusal:
        return show(visit, refusal, "sessions")
    return visit.done(PATH, "session-ended")


def _end_other_sessions(visit: Visit) -> Response:
    sessions.end_others(visit.context, visit.actor, visit.signed_in.token)
    return visit.done(PATH, "sessions-ended")


def again(form: str, *fields: str) -> Again:
    """Describe how a form of the page is shown again with these fields."""
    return Again(lambda visit, refusal: show(visit, refusal, form), fields)


PAGES = (
    Page("GET", PATH, show, access=SELF),
    Page(
        "POST",
        f"{PATH}/password",
        _change_password,
        access=SELF,
        again=again("password", "keep_tokens", "keep_passkeys"),
    ),
    Page("POST", f"{PATH}/verification", _ask_for_verification, access=SELF, again=again("verification")),
    Page("POST", f"{PATH}/sessions/end-others", _end_other_sessions, access=SELF, again=again("sessions"), noted=False),
    Page("POST", f"{PATH}/sessions/<id>/end", _end_session, access=SELF, again=again("sessions"), noted=False),
)
