"""A person's passkeys, and the way in with one."""

from __future__ import annotations

from typing import Any

import msgspec

from appliance.model.access import PUBLIC, SELF
from appliance.model.errors import CodeNeeded, Malformed, Suspended, Unauthenticated, Unverified
from appliance.service import passkeys, tokens
from appliance.store.passkeys import Passkey
from appliance.store.times import rfc3339
from appliance.web import login_guard
from appliance.web.api import paging
from appliance.web.api.routes import Asked, Call
from appliance.web.api.schemas import Body, Code, SessionAnswer, Unshown


class AddPasskey(Body, frozen=True):
    password: str
    name: str
    credential: dict[str, Any]
    code: Code = None


class RenamePasskey(Body, frozen=True):
    name: str


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


def _list_passkeys(asked: Asked) -> PasskeyList:
    found = passkeys.all_of(asked.site.context, asked.actor)
    page, following = paging.page_of(asked, found, lambda each: each.id)
    return PasskeyList([PasskeyShown.of(each) for each in page], following)


def _begin_adding_passkey(asked: Asked) -> CreationOptions:
    options = passkeys.begin_adding(asked.site.context, asked.actor, asked.token)
    return CreationOptions(msgspec.Raw(options.encode()))


def _add_passkey(asked: Asked) -> SessionAnswer:
    body: AddPasskey = asked.body
    return SessionAnswer.of(
        passkeys.add(
            asked.site.context,
            asked.actor,
            asked.token,
            password=body.password,
            name=body.name,
            credential=_written(body.credential),
            code=body.code,
            device=asked.request.device,
        )
    )


def _rename_passkey(asked: Asked) -> None:
    body: RenamePasskey = asked.body
    passkeys.rename(asked.site.context, asked.actor, asked.parameters["id"], name=body.name)


def _remove_passkey(asked: Asked) -> SessionAnswer:
    body: RemovePasskey = asked.body
    return SessionAnswer.of(
        passkeys.remove(
            asked.site.context,
            asked.actor,
            asked.parameters["id"],
            password=body.password,
            device=asked.request.device,
        )
    )


def _begin_log_in_by_passkey(asked: Asked) -> RequestOptions:
    handle = tokens.new_token(tokens.TICKET)
    options = login_guard.challenge_passkey(asked.site, asked.request, handle)
    return RequestOptions(handle, msgspec.Raw(options.encode()))


def _log_in_by_passkey(asked: Asked) -> SessionAnswer:
    body: LogInByPasskey = asked.body
    credential = _written(body.credential)
    return SessionAnswer.of(login_guard.log_in_by_passkey(asked.site, asked.request, body.handle, credential))


def _written(credential: dict[str, Any]) -> str:
    """The credential as JSON again, for the library that reads it.

    Raises:
        Malformed: it is nested so deeply that it can be read, but not written from here.
    """
    try:
        return msgspec.json.encode(credential).decode()
    except RecursionError:
        raise Malformed("The body is nested too deeply.") from None


_PATH = "/account/passkeys"
CALLS = (
    Call(
        "GET",
        _PATH,
        "Your passkeys, the oldest first",
        _list_passkeys,
        answer=PasskeyList,
        query=paging.QUERY,
        access=SELF,
    ),
    Call(
        "POST",
        f"{_PATH}/options",
        "What a browser needs to make a passkey, good once and for five minutes",
        _begin_adding_passkey,
        answer=CreationOptions,
        access=SELF,
        refusals=(Unverified,),
    ),
    Call(
        "POST",
        _PATH,
        "Add a passkey that the browser made; every session ends but a new one",
        _add_passkey,
        AddPasskey,
        SessionAnswer,
        201,
        access=SELF,
        asks_for_proof=True,
        refusals=(CodeNeeded, Unverified),
    ),
    Call("PATCH", f"{_PATH}/{{id}}", "Rename a passkey", _rename_passkey, RenamePasskey, status=204, access=SELF),
    Call(
        "DELETE",
        f"{_PATH}/{{id}}",
        "Remove a passkey; every session ends but a new one",
        _remove_passkey,
        RemovePasskey,
        SessionAnswer,
        access=SELF,
        asks_for_proof=True,
    ),
    Call(
        "POST",
        "/sessions/passkey/options",
        "What a browser needs to log in with a passkey, good once and for five minutes",
        _begin_log_in_by_passkey,
        answer=RequestOptions,
        access=PUBLIC,
    ),
    Call(
        "POST",
        "/sessions/passkey",
        "Log in with what the passkey signed",
        _log_in_by_passkey,
        LogInByPasskey,
        SessionAnswer,
        201,
        access=PUBLIC,
        refusals=(Unauthenticated, Suspended),
    ),
)
