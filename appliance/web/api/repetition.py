"""Idempotency keys on POST. Source: draft-ietf-httpapi-idempotency-key-header."""

from __future__ import annotations

from collections.abc import Callable

import bottle

from appliance.model.errors import DoneBefore, Malformed
from appliance.service import Actor, Workplace, repeats
from appliance.store.repeats import Answered
from appliance.web import problems, request
from appliance.web.api.reply import PREFIX, Reply

HEADER = "Idempotency-Key"
LONGEST_KEY = 255


def once(workplace: Workplace, actor: Actor, work: Callable[[Actor], Reply], *, may_keep: bool) -> bottle.HTTPResponse:
    """The answer to this request; to one that came before with the same key, what was answered then.

    Args:
        work: does what is asked for, for the actor that it is given.
        may_keep: whether its answer holds nothing that is shown once, and may be kept for a repetition.

    Raises:
        Malformed, KeyReused, InProgress: the key can't be taken.
    """
    key = request.header(HEADER)
    if not key:
        return work(actor).response()
    if len(key) > LONGEST_KEY or not (key.isascii() and key.isprintable()):
        raise Malformed(f"{HEADER} takes at most {LONGEST_KEY} printable ASCII characters.")
    made: list[Reply] = []

    def answered(noted: Actor) -> Answered:
        reply = work(noted)
        made.append(reply)
        return Answered(reply.status, reply.location, reply.data if may_keep else None)

    head = "\0".join((bottle.request.method, bottle.request.path, bottle.request.query_string))
    wanted = head.encode() + b"\0" + request.body()
    before = repeats.once(workplace, actor, key=key, request=wanted, work=answered)
    return made[0].response() if before is None else _again(before)


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
