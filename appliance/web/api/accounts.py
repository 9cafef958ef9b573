"""Sign-up and log-in."""

from __future__ import annotations

import msgspec

from appliance.model.access import PUBLIC
from appliance.service import accounts
from appliance.web import entrance, request
from appliance.web.api.routes import Asked, Call
from appliance.web.api.schemas import Body, OrganizationAnswer, SessionAnswer


class SignUp(Body, frozen=True):
    email: str
    password: str
    organization: str
    network: str | None = None


class LogIn(Body, frozen=True):
    email: str
    password: str
    code: str | None = None


class SignedUp(msgspec.Struct, frozen=True):
    token: str
    organization: OrganizationAnswer


def _sign_up(asked: Asked) -> SignedUp:
    body: SignUp = asked.body
    asked.site.limits.sign_up(request.address())
    session, organization = accounts.sign_up(
        asked.site.workplace,
        email=body.email,
        password=body.password,
        organization=body.organization,
        network=body.network,
        device=request.device(),
    )
    return SignedUp(session.token, OrganizationAnswer.of(organization, asked.site.workplace))


def _log_in(asked: Asked) -> SessionAnswer:
    body: LogIn = asked.body
    session = entrance.log_in(asked.site, body.email, body.password, body.code)
    return SessionAnswer.of(session)


CALLS = (
    Call("POST", "/signup", "Sign up an organization", _sign_up, SignUp, SignedUp, 201, access=PUBLIC),
    Call("POST", "/sessions", "Log in", _log_in, LogIn, SessionAnswer, 201, access=PUBLIC),
)
