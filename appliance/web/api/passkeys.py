"""The caller's passkeys, and log-in with a passkey."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from appliance.model.access import PUBLIC, SELF
from appliance.model.errors import CodeNeeded, Malformed, NotNow, NotPossible, Suspended, Unauthenticated, Unverified
from appliance.model.names import LONGEST_NAME
from appliance.service import passkeys, tokens
from appliance.store.passkeys import Passkey
from appliance.store.times import rfc3339
from appliance.web import login_guard
from appliance.web.api import paging
from appliance.web.api.routes import ApiCall, Route
from appliance.web.api.schemas import Body, Code, SessionAnswer, Unshown, text

Name = Annotated[str, text("Tells it from your other passkeys.", LONGEST_NAME, examples=["phone"])]


class AddPasskey(Body, frozen=True):
    password: str
    name: Name
    credential: dict[str, Any]
    code: Code = None


class RenamePasskey(Body, frozen=True):
    name: Name


class RemovePasskey(Body, frozen=True):
    password: str


class LogInByPasskey(Body, frozen=True):
    handle: str
    credential: dict[str, Any]


class PasskeyShown(msgspec.Struct, frozen=True):
    id: str
    name: str
    created_at: str
    last_used_at: str | None

    @classmethod
    def of(cls, passkey: Passkey) -> PasskeyShown:
        used = None if passkey.last_used_at is None else rfc3339(passkey.last_used_at)
        return cls(passkey.id, passkey.name, rfc3339(passkey.created_at), used)


class PasskeyList(msgspec.Struct, frozen=True):
    passkeys: list[PasskeyShown]
    next: str | None


class CreationOptions(msgspec.Struct, frozen=True):
    options: msgspec.Raw


class RequestOptions(Unshown, frozen=True):
    handle: str
    options: msgspec.Raw


def _list_passkeys(call: ApiCall) -> PasskeyList:
    found = passkeys.all_of(call.context, call.actor)
    return PasskeyList(*paging.page_of(call, found, lambda each: each.id, PasskeyShown.of))


def _begin_adding_passkey(call: ApiCall) -> CreationOptions:
    options = passkeys.begin_adding(call.context, call.actor, call.token)
    return CreationOptions(msgspec.Raw(options.encode()))


def _add_passkey(call: ApiCall) -> SessionAnswer:
    body: AddPasskey = call.body
    return SessionAnswer.of(
        passkeys.add(
            call.context,
            call.actor,
            call.token,
            password=body.password,
            name=body.name,
            credential=_written(body.credential),
            code=body.code,
            device=call.request.device,
        )
    )


def _rename_passkey(call: ApiCall) -> None:
    body: RenamePasskey = call.body
    passkeys.rename(call.context, call.actor, call.parameters["id"], name=body.name)


def _remove_passkey(call: ApiCall) -> SessionAnswer:
    body: RemovePasskey = call.body
    return SessionAnswer.of(
        passkeys.remove(
            call.context,
            call.actor,
            call.parameters["id"],
            password=body.password,
            device=call.request.device,
        )
    )


def _begin_log_in_by_passkey(call: ApiCall) -> RequestOptions:
    handle = tokens.new_token(tokens.TICKET)
    options = login_guard.challenge_passkey(call.site, call.request, handle)
    return RequestOptions(handle, msgspec.Raw(options.encode()))


def _log_in_by_passkey(call: ApiCall) -> SessionAnswer:
    body: LogInByPasskey = call.body
    credential = _written(body.credential)
    return SessionAnswer.of(login_guard.log_in_by_passkey(call.site, call.request, body.handle, credential))


def _written(credential: dict[str, Any]) -> str:
    """Encode the credential as JSON again, for the library that reads it.

    Raises:
        Malformed: it is nested too deeply to be encoded.
    """
    try:
        return msgspec.json.encode(credential).decode()
    except RecursionError:
        raise Malformed("The body is nested too deeply.") from None


_PATH = "/account/passkeys"
ROUTES = (
    Route(
        "GET",
        _PATH,
        "Your passkeys, the oldest first",
        _list_passkeys,
        answer=PasskeyList,
        query=paging.QUERY,
        access=SELF,
    ),
    Route(
        "POST",
        f"{_PATH}/options",
        "Options for a browser to create a passkey, valid once, for five minutes",
        _begin_adding_passkey,
        answer=CreationOptions,
        access=SELF,
        refusals=(NotPossible, Unverified),
    ),
    Route(
        "POST",
        _PATH,
        "Add a passkey that the browser created; every session ends but a new one",
        _add_passkey,
        AddPasskey,
        SessionAnswer,
        201,
        access=SELF,
        asks_for_proof=True,
        refusals=(CodeNeeded, NotNow, NotPossible, Unverified),
    ),
    Route("PATCH", f"{_PATH}/{{id}}", "Rename a passkey", _rename_passkey, RenamePasskey, status=204, access=SELF),
    Route(
        "DELETE",
        f"{_PATH}/{{id}}",
        "Remove a passkey; every session ends but a new one",
        _remove_passkey,
        RemovePasskey,
        SessionAnswer,
        access=SELF,
        asks_for_proof=True,
    ),
    Route(
        "POST",
        "/sessions/passkey/options",
        "Options for a browser to log in with a passkey, valid once, for five minutes",
        _begin_log_in_by_passkey,
        answer=RequestOptions,
        access=PUBLIC,
        refusals=(NotPossible,),
    ),
    Route(
        "POST",
        "/sessions/passkey",
        "Log in with a passkey",
        _log_in_by_passkey,
        LogInByPasskey,
        SessionAnswer,
        201,
        access=PUBLIC,
        refusals=(NotPossible, Suspended, Unauthenticated),
    ),
)
