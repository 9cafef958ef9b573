"""The caller's own account: address, role and password."""

from __future__ import annotations

from typing import Annotated

import msgspec

from appliance.model.access import SELF
from appliance.model.errors import NotFound
from appliance.service import accounts, password_change, second_factor
from appliance.web.api.routes import ApiCall, Route
from appliance.web.api.schemas import Body, NewPassword, SessionAnswer


class ChangePassword(Body, frozen=True):
    password: str
    new_password: NewPassword
    keep_tokens: Annotated[bool, msgspec.Meta(description="True to keep your API tokens; they end otherwise.")] = False
    keep_passkeys: Annotated[bool, msgspec.Meta(description="True to keep your passkeys; they end otherwise.")] = False


class AccountAnswer(msgspec.Struct, frozen=True):
    id: str
    email: str
    role: str
    verified: bool
    second_factor: bool
    recovery_codes_left: int


def _account(call: ApiCall) -> AccountAnswer:
    context = call.context
    member = accounts.member_of(context, call.actor)
    factor = second_factor.state(context, call.actor)
    return AccountAnswer(
        member.id,
        member.email,
        member.role.value,
        member.verified_at is not None,
        factor.enabled,
        factor.recovery_codes_left,
    )


def _change_password(call: ApiCall) -> SessionAnswer:
    body: ChangePassword = call.body
    return SessionAnswer.of(
        password_change.change(
            call.context,
            call.actor,
            password=body.password,
            new_password=body.new_password,
            keep_tokens=body.keep_tokens,
            keep_passkeys=body.keep_passkeys,
            device=call.request.device,
        )
    )


ROUTES = (
    Route("GET", "/account", "Your account", _account, answer=AccountAnswer, access=SELF, refusals=(NotFound,)),
    Route(
        "PUT",
        "/account/password",
        "Change your password; sessions end, tokens and passkeys too, and the answer has a new session",
        _change_password,
        ChangePassword,
        SessionAnswer,
        access=SELF,
        asks_for_proof=True,
    ),
)
