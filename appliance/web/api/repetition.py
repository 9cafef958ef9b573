"""Idempotency keys on POST. Source: draft-ietf-httpapi-idempotency-key-header."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass

import bottle

from appliance.model.errors import DoneBefore, Malformed
from appliance.service import Actor, Workplace, repeats
from appliance.store.repeats import Answered
from appliance.web import problems, request
from appliance.web.api.reply import PREFIX, Reply
from appliance.web.proxies import neighbourhood
from appliance.web.request import Site

HEADER = "Idempotency-Key"
LONGEST_KEY = 255


@dataclass(frozen=True)
class Told:
    """Answer to a stranger's repeated call.

    Attributes:
        data: None where the answer is not kept.
    """

    status: int
    data: bytes | None


def once(workplace: Workplace, actor: Actor, work: Callable[[Actor], Reply], *, may_keep: bool) -> bottle.HTTPResponse:
    """The answer to this request; to one that came before with the same key, what was answered then.

    Args:
        work: does what is asked for, for the actor that it is given.
        may_keep: whether its answer holds nothing that is shown once, and may be kept for a repetition.

    Raises:
        Malformed, KeyReused, InProgress: the key can't be taken.
    """
    key = _key()
    if not key:
        return work(actor).response()
    made: list[Reply] = []

    def answered(noted: Actor) -> Answered:
        reply = work(noted)
        made.append(reply)
        return Answered(reply.status, reply.location, reply.data if may_keep else None)

    before = repeats.once(workplace, actor, key=key, request=_wanted(), work=answered)
    return made[0].response() if before is None else _again(before)


def once_by_stranger(site: Site, work: Callable[[], Reply], *, may_keep: bool) -> bottle.HTTPResponse:
    """The answer to a call that needs no session; to one that came before with the same key, what was answered then.

    Keys of strangers are nobody's: one that comes with anything else, or from another network, stands for another call.

    Args:
        work, may_keep: as for `once`.

    Raises:
        Malformed, DoneBefore, InProgress: the key can't be taken.
    """
    key = _key()
    if not key:
        return work().response()
    caller, call = neighbourhood(request.address()), hmac.digest(key.encode(), _wanted(), "sha256")

    def first() -> Reply:
        before = site.call_posts.find(caller, call)
        if before is not None and before.data is None:
            raise DoneBefore("This was done, and its answer held what is shown only once. Log in to go on.")
        if before is not None:
            return Reply(before.status, before.data)
        reply = work()
        site.call_posts.note(caller, call, Told(reply.status, reply.data if may_keep or not reply.data else None))
        return reply

    return site.call_posts.answer(caller.encode() + call, first).response()


def _key() -> str:
    """The key of the request; empty where it has none.

    Raises:
        Malformed: it can't be taken.
    """
    key = request.header(HEADER)
    if len(key) > LONGEST_KEY or not (key.isascii() and (key.isprintable() or not key)):
        raise Malformed(f"{HEADER} takes at most {LONGEST_KEY} printable ASCII characters.")
    return key


def _wanted() -> bytes:
    """All that tells this request from another one."""
    head = "\0".join((bottle.request.method, bottle.request.path, bottle.request.query_string))
    return head.encode() + b"\0" + request.body()


def _again(before: Answered) -> bottle.HTTPResponse:
    if before.status is not None and before.body is not None:
        return Reply(before.status, before.body, before.location).response()
    why = "its answer got lost" if before.status is None else "its answer held what is shown only once"
    location = before.location
    if before.status is None and location is not None:
        location = PREFIX + location
    where = "" if location is None else f" What it made is at {location}."
    response = problems.answer(DoneBefore(f"This was done, and {why}.{where}"))
    if location is not None:
        response.set_header("Location", location)
    return response
