"""The caller's second factor."""

from __future__ import annotations

from appliance.model.access import SELF
from appliance.model.errors import CodeNeeded, NotNow, Unverified
from appliance.service import enrolment
from appliance.service.enrolment import Recovery
from appliance.store.times import rfc3339
from appliance.web.api.routes import ApiCall, Route
from appliance.web.api.schemas import Body, SessionAnswer, Unshown


class Password(Body, frozen=True):
    password: str


class Code(Body, frozen=True):
    code: str


class PasswordAndCode(Body, frozen=True):
    password: str
    code: str


class NewSecret(Unshown, frozen=True):
    secret: str
    uri: str


class NewRecoveryCodes(Unshown, frozen=True):
    recovery_codes: list[str]
    token: str
    expires_at: str

    @classmethod
    def of(cls, recovery: Recovery) -> NewRecoveryCodes:
        return cls(recovery.codes, recovery.session.token, rfc3339(recovery.session.expires_at))


def _propose(call: ApiCall) -> NewSecret:
    body: Password = call.body
    made = enrolment.propose(call.context, call.actor, password=body.password)
    return NewSecret(made.secret, made.uri)


def _enable(call: ApiCall) -> NewRecoveryCodes:
    body: Code = call.body
    return NewRecoveryCodes.of(enrolment.enable(call.context, call.actor, code=body.code, device=call.request.device))


def _disable(call: ApiCall) -> SessionAnswer:
    body: PasswordAndCode = call.body
    return SessionAnswer.of(
        enrolment.disable(call.context, call.actor, password=body.password, code=body.code, device=call.request.device)
    )


def _renew_recovery_codes(call: ApiCall) -> NewRecoveryCodes:
    body: PasswordAndCode = call.body
    return NewRecoveryCodes.of(
        enrolment.renew_recovery_codes(
            call.context, call.actor, password=body.password, code=body.code, device=call.request.device
        )
    )


_PATH = "/account/second-factor"
ROUTES = (
    Route(
        "POST",
        _PATH,
        "Create a secret for an authenticator, shown once",
        _propose,
        Password,
        NewSecret,
        201,
        access=SELF,
        asks_for_proof=True,
        refusals=(NotNow, Unverified),
    ),
    Route(
        "PUT",
        _PATH,
        "Enable it with a code; every session ends but a new one",
        _enable,
        Code,
        NewRecoveryCodes,
        access=SELF,
        asks_for_proof=True,
        refusals=(NotNow,),
    ),
    Route(
        "DELETE",
        _PATH,
        "Disable it; every session ends but a new one",
        _disable,
        PasswordAndCode,
        SessionAnswer,
        access=SELF,
        asks_for_proof=True,
        refusals=(CodeNeeded, NotNow),
    ),
    Route(
        "POST",
        "/account/recovery-codes",
        "Create ten new recovery codes, shown once; every session ends but a new one",
        _renew_recovery_codes,
        PasswordAndCode,
        NewRecoveryCodes,
        201,
        access=SELF,
        asks_for_proof=True,
        refusals=(CodeNeeded, NotNow),
    ),
)
