"""Idempotency keys on POST. Source: draft-ietf-httpapi-idempotency-key-header."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from appliance.model.errors import DoneBefore, Malformed
from appliance.service import Actor, Context, repeats
from appliance.store.repeats import StoredAnswer
from appliance.web import problems
from appliance.web.api.reply import PREFIX, reply
from appliance.web.proxies import neighbourhood
from appliance.web.request import Request
from appliance.web.response import Response
from appliance.web.site import Site

HEADER = "Idempotency-Key"
LONGEST_KEY = 255


@dataclass(frozen=True)
class KeptAnswer:
    """Answer to a stranger's call, kept for its repetition.

    Attributes:
        data: None if the body is not kept.
    """

    status: int
    data: bytes | None


def idempotent(
    context: Context, request: Request, actor: Actor, work: Callable[[Actor], Response], *, may_keep: bool
) -> Response:
    """Answer a request once; a repetition with the same key gets the earlier answer.

    Args:
        work: does the request for the actor that it gets.
        may_keep: False if the answer contains a secret that is shown once, so that it must not be kept.

    Raises:
        Malformed: the key is invalid.
        KeyReused: another request had this key.
        InProgress: an equal request is in progress.
    """
    key = _key(request)
    if not key:
        return work(actor)
    made: list[Response] = []

    def answered(noted: Actor) -> StoredAnswer:
        response = work(noted)
        made.append(response)
        kept = response.body if may_keep or not response.body else None
        return StoredAnswer(response.status, response.headers.get("Location"), kept)

    before = repeats.idempotent(context, actor, key=key, request=request.content, work=answered)
    return made[0] if before is None else _again(before)


def idempotent_for_stranger(site: Site, request: Request, work: Callable[[], Response], *, may_keep: bool) -> Response:
    """Answer a call without a session once; a repetition with the same key gets the earlier answer.

    A call with the same key is no repetition if its content differs or it comes from another network.

    Args:
        work: does the request.
        may_keep: False if the answer contains a secret that is shown once, so that it must not be kept.

    Raises:
        Malformed: the key is invalid.
        DoneBefore: the call was done, and its answer was not kept.
        InProgress: an equal call is in progress.
    """
    key = _key(request)
    if not key:
        return work()
    caller, call = neighbourhood(request.address), hmac.digest(key.encode(), request.content, "sha256")

    def first() -> Response:
        before = site.call_posts.find(caller, call)
        if before is not None and before.data is None:
            raise DoneBefore("This was done, and its answer had a secret that is shown only once. Log in to go on.")
        if before is not None:
            return reply(before.status, before.data)
        response = work()
        kept = response.body if may_keep or not response.body else None
        site.call_posts.note(caller, call, KeptAnswer(response.status, kept))
        return response

    return site.call_posts.answer(caller.encode() + call, first)


def _key(request: Request) -> str:
    """Get the key of a request; empty if it has none.

    Raises:
        Malformed: the key is invalid.
    """
    key = request.header(HEADER)
    if len(key) > LONGEST_KEY or not (key.isascii() and (key.isprintable() or not key)):
        raise Malformed(
            "{header} takes at most {longest} printable ASCII characters.", header=HEADER, longest=LONGEST_KEY
        )
    return key


_LOST = "This was done, and its answer got lost."
_NOT_KEPT = "This was done, and its answer was not kept: it was long, or had a secret that is shown only once."


def _again(before: StoredAnswer) -> Response:
    if before.status is not None and before.body is not None:
        return reply(before.status, before.body, before.location)
    is_lost, location = before.status is None, before.location
    if location is None:
        refusal = DoneBefore(_LOST if is_lost else _NOT_KEPT)
    else:
        location = PREFIX + location if is_lost else location
        message = f"{_LOST if is_lost else _NOT_KEPT} The new resource is at {{location}}."
        refusal = DoneBefore(message, location=location)
    response = problems.answer(refusal)
    return response if location is None else response.with_header("Location", location)
