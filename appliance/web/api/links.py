"""Links in letters: password reset and verification of an address."""

from __future__ import annotations

from appliance.model.access import PUBLIC, SELF
from appliance.model.errors import NotPossible
from appliance.service import verification
from appliance.web import login_guard
from appliance.web.api.routes import ApiCall, Route
from appliance.web.api.schemas import Body, NewPassword


class AskForReset(Body, frozen=True):
    email: str


class Reset(Body, frozen=True):
    token: str
    password: NewPassword


class Verify(Body, frozen=True):
    token: str


def _ask_for_reset(call: ApiCall) -> None:
    body: AskForReset = call.body
    login_guard.ask_for_reset(call.site, call.request, body.email)


def _reset(call: ApiCall) -> None:
    body: Reset = call.body
    login_guard.complete_reset(call.site, call.request, body.token, body.password)


def _ask_for_verification(call: ApiCall) -> None:
    login_guard.ask_for_verification(call.site, call.request, call.actor)


def _verify(call: ApiCall) -> None:
    body: Verify = call.body
    verification.confirm(call.context, body.token)


ROUTES = (
    Route(
        "POST",
        "/resets",
        "Ask for a link to a new password",
        _ask_for_reset,
        AskForReset,
        status=204,
        access=PUBLIC,
        refusals=(NotPossible,),
    ),
    Route("PUT", "/resets", "Choose a new password with the link's token", _reset, Reset, status=204, access=PUBLIC),
    Route(
        "POST",
        "/verifications",
        "Ask for a link to verify your address",
        _ask_for_verification,
        status=204,
        access=SELF,
        refusals=(NotPossible,),
    ),
    Route("PUT", "/verifications", "Verify an address with a link's token", _verify, Verify, status=204, access=PUBLIC),
)
