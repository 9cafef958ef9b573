"""Requests that may be repeated: what has a key of the caller's own happens once, whatever is lost on the way back."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import structlog

from appliance.model.errors import InProgress, KeyReused, NotFound, Refused, TooMany, Unavailable
from appliance.service.workplace import Actor, Workplace, check_standing
from appliance.store import organizations, repeats
from appliance.store.repeats import Answered

log = structlog.get_logger()

REMEMBERED = timedelta(hours=24)
MOST_OF_ONE = 10_000
"""Keys of one organization that are remembered at a time."""
_FULL_RETRY_S = 600


def once(
    workplace: Workplace, actor: Actor, *, key: str, request: bytes, work: Callable[[], Answered]
) -> Answered | None:
    """Does the work and gives None, or gives what was answered when it was done before.

    What is refused was not done, and a repetition tries again. Where the process was cut off in the middle nobody knows
    whether it was done, and that is what a repetition is told.

    Args:
        key: chosen by the caller, and known within the organization for `REMEMBERED`.
        request: everything that tells this request from another.
        work: what is to be done; it may raise `Refused`.

    Raises:
        KeyReused: another request had this key.
        InProgress: the same request is worked on, or was cut off.
        TooMany: the organization has used `MOST_OF_ONE` keys within `REMEMBERED`.
    """
    key_hash = hashlib.sha256(key.encode()).hexdigest()
    request_hash = hmac.new(key.encode(), actor.member_id.encode() + b"\0" + request, "sha256").hexdigest()
    with workplace.store.write() as transaction:
        organization = organizations.find_locked(transaction, actor.organization_id)
        if organization is None:
            raise NotFound("This organization does not exist any more.")
        check_standing(workplace, transaction, actor, organization, locked=True)
        repeats.forget_older(transaction, workplace.clock() - REMEMBERED)
        known = repeats.find(transaction, actor.organization_id, key_hash)
        if known is None:
            if repeats.count(transaction, actor.organization_id) >= MOST_OF_ONE:
                raise TooMany(
                    f"{MOST_OF_ONE} keys of yours are remembered, which is the most. Send the request without one, or "
                    "wait: each is forgotten after a day.",
                    retry_after=_FULL_RETRY_S,
                )
            repeats.begin(transaction, actor.organization_id, key_hash, request_hash, workplace.clock())
    if known is not None:
        if not hmac.compare_digest(known.request_hash, request_hash):
            raise KeyReused("Another request came with this key before. Choose a new one for each request.")
        if known.answer is None:
            raise InProgress(
                "The same request is being worked on, or was cut off: then look whether it was done.", retry_after=1
            )
        return known.answer
    try:
        answer = work()
    except Refused:
        with suppress(Refused), workplace.store.write() as transaction:
            repeats.forget(transaction, actor.organization_id, key_hash)
        raise
    try:
        with workplace.store.write() as transaction:
            repeats.finish(transaction, actor.organization_id, key_hash, answer)
    except Unavailable as error:
        # It is done, and to say that nothing was changed would be wrong. A repetition is told to look.
        log.warning("the answer to a request with a key is not remembered", error=str(error.__cause__))
    return None
