"""What links in letters stand for: another password, and a verified address."""

from __future__ import annotations

from appliance.model.access import PUBLIC, SELF
from appliance.service import verification
from appliance.web import login_guard
from appliance.web.api.routes import Asked, Call
from appliance.web.api.schemas import Body


class AskForReset(Body, frozen=True):
    email: str


class Reset(Body, frozen=True):
    token: str
    password: str


class Verify(Body, frozen=True):
    token: str


def _ask_for_reset(asked: Asked) -> None:
    body: AskForReset = asked.body
    login_guard.ask_for_reset(asked.site, asked.request, body.email)


def _reset(asked: Asked) -> None:
    body: Reset = asked.body
    login_guard.complete_reset(asked.site, asked.request, body.token, body.password)


def _ask_for_verification(asked: Asked) -> None:
    login_guard.ask_for_verification(asked.site, asked.request, asked.actor)


def _verify(asked: Asked) -> None:
    body: Verify = asked.body
    verification.confirm(asked.site.context, body.token)


CALLS = (
    Call("POST", "/resets", "Ask for a link to a new password", _ask_for_reset, AskForReset, status=204, access=PUBLIC),
    Call("PUT", "/resets", "Choose another password by the link's token", _reset, Reset, status=204, access=PUBLIC),
    Call(
        "POST",
        "/verifications",
        "Ask for a link to verify your address",
        _ask_for_verification,
        status=204,
        access=SELF,
    ),
    Call("PUT", "/verifications", "Verify an address by the link's token", _verify, Verify, status=204, access=PUBLIC),
)
