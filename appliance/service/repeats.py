"""Requests that may be repeated: what has a key of the caller's own happens once, whatever is lost on the way back.

The transaction that does what is asked for also marks its key (`context.write_trail`). So the store itself knows
whether a request was done, also where its answer, the process or the database was lost in the moment of the commit.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import structlog

from appliance.model.errors import InProgress, KeyReused, NotFound, Refused, TooMany, Unavailable
from appliance.service.context import Actor, Context, check_standing
from appliance.store import organizations, repeats
from appliance.store.repeats import RequestKey, StoredAnswer

log = structlog.get_logger()

REMEMBERED = timedelta(hours=24)
MOST_OF_ONE = 10_000
"""Keys of one organization's programs that are remembered at a time."""
MOST_FORMS = 2_000
"""Forms of one member that are remembered at a time."""
_FULL_RETRY_S = 600


class NothingDone(Exception):
    """Raised by work that came to nothing, and needs no words for it."""


Work = Callable[[Actor], StoredAnswer]


def idempotent(context: Context, actor: Actor, *, key: str, request: bytes, work: Work) -> StoredAnswer | None:
    """Do what a program asks for and give None, or give what was answered when it was done before.

    What is refused was not done, and a repetition tries again; so it does after a process or the store was lost before
    the work was stored.

    Args:
        key: chosen by the caller, and known within the organization for `REMEMBERED`.
        request: everything that tells this request from another.
        work: what is to be done, by the actor that it is given; it may raise `Refused`.

    Raises:
        KeyReused: another request had this key.
        InProgress: the same request is worked on.
        TooMany: the organization has used `MOST_OF_ONE` keys within `REMEMBERED`.
    """
    request_hash = hmac.new(key.encode(), actor.member_id.encode() + b"\0" + request, "sha256").hexdigest()
    named = RequestKey(actor.organization_id, hashlib.sha256(key.encode()).hexdigest())
    return _idempotent(context, actor, named, request_hash, work)


def idempotent_form(context: Context, actor: Actor, *, form: bytes, work: Work) -> StoredAnswer | None:
    """Do what a form asks for and give None, or give what came of it when it was sent before.

    Args:
        form: all that was sent, a token of the form's own among it; anything else than that is another request.
        work: as for `idempotent`.

    Raises:
        InProgress: the same form is worked on.
        TooMany: the member has sent `MOST_FORMS` forms within `REMEMBERED`.
    """
    digest = hashlib.sha256(b"form\0" + actor.member_id.encode() + b"\0" + form).hexdigest()
    return _idempotent(context, actor, RequestKey(actor.organization_id, digest, actor.member_id), digest, work)


def _idempotent(context: Context, actor: Actor, key: RequestKey, request_hash: str, work: Work) -> StoredAnswer | None:
    with context.underway.working_on(key.organization_id + key.hash) as is_alone:
        known = _begin(context, actor, key, request_hash, is_alone=is_alone)
        if known is not None:
            return known
        try:
            answer = work(replace(actor, request=key))
        except BaseException as error:
            known = _look_again(context, key)
            if known is None or not isinstance(error, Refused | NothingDone):
                raise
            # The store was lost while it said that it had stored the work, and is back.
            return known
        try:
            with context.store.write() as transaction:
                repeats.finish(transaction, key, answer)
        except Unavailable as error:
            # It is done, and to say that nothing was changed would be wrong. A repetition is told that it was done.
            log.warning("the answer to a request with a key is not remembered", error=str(error.__cause__))
    return None


def _begin(
    context: Context, actor: Actor, key: RequestKey, request_hash: str, *, is_alone: bool
) -> StoredAnswer | None:
    """Note that the request is worked on; or give what came of it before."""
    now = context.clock()
    with context.store.write() as transaction:
        # Locked: what was lost in the middle of a commit has come to its end before this goes on.
        organization = organizations.find_locked(transaction, key.organization_id)
        if organization is None:
            raise NotFound("This organization does not exist any more.")
        check_standing(context, transaction, actor, organization, locked=True)
        repeats.forget_older(transaction, now - REMEMBERED)
        known = repeats.find(transaction, key)
        if known is not None and not hmac.compare_digest(known.request_hash, request_hash):
            raise KeyReused("Another request came with this key before. Choose a new one for each request.")
        if known is not None and known.answer is not None:
            return known.answer
        # What another process began is not worked on any more: only one at a time serves a store.
        if not is_alone:
            raise InProgress("The same request is being worked on. Ask again in a moment.", retry_after=1)
        repeats.forget_undone(transaction, key)
        _check_room(context, repeats.count(transaction, key), is_form=key.member_id is not None)
        repeats.begin(transaction, key, request_hash, now)
    return None


def _look_again(context: Context, key: RequestKey) -> StoredAnswer | None:
    """Forget a request that failed; or give what is known of it, if it was done all the same."""
    with suppress(Refused), context.store.write() as transaction:
        organizations.find_locked(transaction, key.organization_id)
        repeats.forget_undone(transaction, key)
        known = repeats.find(transaction, key)
        return None if known is None else known.answer
    return None


def _check_room(context: Context, taken: int, *, is_form: bool) -> None:
    if is_form and taken >= MOST_FORMS:
        context.refusals["forms"] += 1
        raise TooMany(
            f"You sent {MOST_FORMS} forms within a day, which is the most. Wait, or use the API.",
            retry_after=_FULL_RETRY_S,
        )
    if not is_form and taken >= MOST_OF_ONE:
        context.refusals["keys"] += 1
        raise TooMany(
            f"{MOST_OF_ONE} keys of yours are remembered, which is the most. Send the request without one, or "
            "wait: each is forgotten after a day.",
            retry_after=_FULL_RETRY_S,
        )
