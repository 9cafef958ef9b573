"""Idempotent requests: a request with a key of the caller's is done once, even if its answer is lost.

The transaction that does the work also marks the key (`recording.write_trail`). So the store itself knows whether a
request was done, also if the answer, the process or the database was lost during the commit.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from appliance.model.errors import KeyReused, Refused, TooMany, Unavailable
from appliance.service.actor import Actor
from appliance.service.context import Context
from appliance.service.standing import check_standing, gone
from appliance.store import organizations, repeats
from appliance.store.portions import PORTION, pause
from appliance.store.repeats import RequestKey, StoredAnswer

log = structlog.get_logger()

REMEMBERED = timedelta(hours=24)
MOST_OF_ONE = 10_000
"""Most remembered keys of an organization's programs."""
READERS_PART = 4
"""Callers who may change nothing use up one in so many of these keys, and leave the others to those who may."""
MOST_FORMS = 2_000
"""Most remembered forms of a member."""
LARGEST_ANSWER, LATER_ANSWER = 10_000, 1_000
"""Most bytes of an answer that is stored: of the first `MOST_LARGE` requests within `REMEMBERED`, and of later ones.

The repetition of what had a larger one is told that it was done. None is stored while the store's disk is nearly full.
"""
MOST_LARGE = 500
_FULL_RETRY_S = 600


class NothingDone(Exception):
    """Raised by work that changed nothing and has no error text."""


Work = Callable[[Actor], StoredAnswer]


@dataclass(frozen=True)
class _Begun:
    """A request that is noted as in progress.

    Attributes:
        key: of this attempt.
        largest: most bytes of its answer that are stored.
    """

    key: RequestKey
    largest: int


def idempotent(context: Context, actor: Actor, *, key: str, request: bytes, work: Work) -> StoredAnswer | None:
    """Do a program's request and return None, or return the answer of an earlier, equal request.

    A refused request was not done, and a repetition tries again; likewise if the process or the store was lost before
    the work was stored.

    Args:
        key: chosen by the caller, and remembered within the organization for `REMEMBERED`.
        request: everything that distinguishes this request from others.
        work: does the request for the actor that it gets; may raise `Refused`.

    Raises:
        KeyReused: another request had this key.
        InProgress: an equal request is in progress.
        TooMany: the organization has used `MOST_OF_ONE` keys within `REMEMBERED`, or a part of them that an actor
            who may change nothing leaves to others.
    """
    request_hash = hmac.new(key.encode(), actor.member_id.encode() + b"\0" + request, "sha256").hexdigest()
    named = RequestKey(actor.organization_id, hashlib.sha256(key.encode()).hexdigest())
    return _idempotent(context, actor, named, request_hash, work)


def idempotent_form(context: Context, actor: Actor, *, form: bytes, work: Work) -> StoredAnswer | None:
    """Do a form's request and return None, or return the answer of the same form sent earlier.

    Args:
        form: all fields as sent, including the form's own token; any difference makes it another request.
        work: does the request for the actor that it gets; may raise `Refused`.

    Raises:
        InProgress: the same form is in progress.
        TooMany: the member has sent `MOST_FORMS` forms within `REMEMBERED`.
    """
    digest = hashlib.sha256(b"form\0" + actor.member_id.encode() + b"\0" + form).hexdigest()
    return _idempotent(context, actor, RequestKey(actor.organization_id, digest, actor.member_id), digest, work)


def tidy(context: Context, *, portion: int = PORTION) -> int:
    """Forget old requests in small transactions, so that no change waits long; returns their number.

    Args:
        portion: most requests of a transaction.
    """
    oldest, forgotten = context.removal_time() - REMEMBERED, 0
    while True:
        with context.store.read() as transaction:
            if not repeats.has_older(transaction, oldest):
                return forgotten
        with context.store.write() as transaction:
            forgotten += repeats.forget_older(transaction, oldest, portion)
        pause()


def _idempotent(context: Context, actor: Actor, key: RequestKey, request_hash: str, work: Work) -> StoredAnswer | None:
    with context.underway.working_on(key.organization_id + key.hash) as is_alone:
        begun = _begin(context, actor, key, request_hash, is_alone=is_alone)
        if isinstance(begun, StoredAnswer):
            return begun
        try:
            answer = work(replace(actor, request=begun.key))
        except BaseException as error:
            known = _look_again(context, begun.key)
            if known is None or not isinstance(error, Refused | NothingDone):
                raise
            # The store was lost while it confirmed the work, and is back; or another host's process has done it.
            return known
        if len(answer.body or b"") > (0 if context.room.is_low() else begun.largest):
            return None
        try:
            with context.store.write() as transaction:
                repeats.finish(transaction, key, answer)
        except Unavailable as error:
            # The work is done, so this is no failure. A repetition is told that it was done.
            log.warning("the answer to a keyed request was not stored", error=str(error.__cause__))
    return None


def _begin(
    context: Context, actor: Actor, key: RequestKey, request_hash: str, *, is_alone: bool
) -> StoredAnswer | _Begun:
    """Note that the request is in progress, or return the earlier answer."""
    now = context.clock()
    with context.store.write() as transaction:
        # Locked, so that a commit whose connection was lost has ended before this goes on.
        organization = organizations.find_locked(transaction, key.organization_id)
        if organization is None:
            raise gone()
        check_standing(context, transaction, actor, organization, locked=True)
        # A form shown before its memory went must not be taken for a new one when a set clock is right again.
        oldest = context.removal_time() - REMEMBERED
        repeats.forget_old(transaction, key, oldest)
        known = repeats.find(transaction, key)
        if known is not None and not hmac.compare_digest(known.request_hash, request_hash):
            raise KeyReused("Another request came with this key before. Choose a new one for each request.")
        if known is not None and known.answer is not None:
            return known.answer
        # What another process began was cut off with it, or, with many hubs, goes on: then it can't commit any more, as
        # this attempt is the later one.
        if not is_alone:
            raise repeats.in_progress()
        repeats.forget_undone(transaction, key)
        taken = repeats.count_since(transaction, key, oldest)
        if key.member_id is not None:
            _check_forms(context, taken)
        else:
            _check_keys(context, taken, MOST_OF_ONE if actor.may_change else MOST_OF_ONE // READERS_PART)
        largest = LARGEST_ANSWER if taken < MOST_LARGE else LATER_ANSWER
        return _Begun(repeats.begin(transaction, key, request_hash, now), largest)


def _look_again(context: Context, key: RequestKey) -> StoredAnswer | None:
    """Forget a failed request, or return its answer if it was done all the same."""
    with suppress(Refused), context.store.write() as transaction:
        organizations.find_locked(transaction, key.organization_id)
        repeats.forget_undone(transaction, key)
        known = repeats.find(transaction, key)
        return None if known is None else known.answer
    return None


def _check_forms(context: Context, taken: int) -> None:
    if taken >= MOST_FORMS:
        context.refusals["forms"] += 1
        raise TooMany(
            "You sent {most} forms within a day, which is the most. Wait, or use the API.",
            retry_after=_FULL_RETRY_S,
            most=MOST_FORMS,
        )


def _check_keys(context: Context, taken: int, most: int) -> None:
    if taken >= most:
        context.refusals["keys"] += 1
        raise TooMany(
            "{most} keys of yours are remembered, which is the most. Send the request without one, or "
            "wait: each is forgotten after a day.",
            retry_after=_FULL_RETRY_S,
            most=most,
        )
