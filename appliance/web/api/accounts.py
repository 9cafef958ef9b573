"""Sign-up and log-in."""

from __future__ import annotations

from typing import Annotated

import msgspec

from appliance.model.access import PUBLIC
from appliance.model.addresses import DEFAULT_NETWORK
from appliance.model.errors import CodeNeeded, NotEnforced, NotNow, NotOpen, Suspended, Unauthenticated
from appliance.model.names import LONGEST_NAME
from appliance.web import login_guard
from appliance.web.api.routes import ApiCall, Route
from appliance.web.api.schemas import Body, Email, NewPassword, OrganizationAnswer, SessionAnswer, Unshown, text


class SignUp(Body, frozen=True):
    email: Email
    password: NewPassword
    organization: Annotated[str, text("Its name.", LONGEST_NAME, examples=["acme-networks"])]
    network: Annotated[
        str | None,
        msgspec.Meta(
            description=f"A private IPv4 range for the machines, as address and length of its prefix, /8 to /28; "
            f"{DEFAULT_NETWORK} if it is not given.",
            examples=[str(DEFAULT_NETWORK)],
        ),
    ] = None
    link: Annotated[
        str | None,
        msgspec.Meta(description="Token of a sign-up link, if the service needs one: what stands there after `link=`."),
    ] = None


class AskToSignUp(Body, frozen=True):
    email: Email


class LogIn(Body, frozen=True):
    email: Email
    password: str
    code: Annotated[str | None, msgspec.Meta(description="Code of your authenticator, or a recovery code.")] = None


class SignedUp(Unshown, frozen=True):
    token: str
    organization: OrganizationAnswer


def _sign_up(call: ApiCall) -> SignedUp:
    body: SignUp = call.body
    session, organization = login_guard.sign_up(
        call.site,
        call.request,
        email=body.email,
        password=body.password,
        organization=body.organization,
        network=body.network,
        link=body.link,
    )
    return SignedUp(session.token, OrganizationAnswer.of(organization, call.context))


def _ask_to_sign_up(call: ApiCall) -> None:
    body: AskToSignUp = call.body
    login_guard.ask_to_sign_up(call.site, call.request, body.email)


def _log_in(call: ApiCall) -> SessionAnswer:
    body: LogIn = call.body
    session = login_guard.log_in(call.site, call.request, body.email, body.password, body.code)
    return SessionAnswer.of(session)


_NOT_LET_IN = (Unauthenticated, CodeNeeded, NotNow, Suspended)

ROUTES = (
    Route(
        "POST",
        "/signup",
        "Sign up an organization",
        _sign_up,
        SignUp,
        SignedUp,
        201,
        access=PUBLIC,
        refusals=(NotEnforced, NotOpen),
    ),
    Route(
        "POST",
        "/signup/letters",
        "Ask for a sign-up link, if addresses are verified first",
        _ask_to_sign_up,
        AskToSignUp,
        status=204,
        access=PUBLIC,
        refusals=(NotOpen,),
    ),
    Route("POST", "/sessions", "Log in", _log_in, LogIn, SessionAnswer, 201, access=PUBLIC, refusals=_NOT_LET_IN),
)
