"""The end of an organization.

First its keys are destroyed and it is nobody's any more, then its part of the data plane goes, then its rows, then what
the store's files still have of them. Each step can be made again: a deletion that is cut off between two of them is
finished by the next call for it, or by the next start.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import structlog
from sqlalchemy import Connection

from appliance.model.errors import Invalid, NotEnforced, NotFound, Unavailable
from appliance.service.changes import clear, enforce
from appliance.service.context import Actor, Context, check_standing
from appliance.store import deletions, organizations
from appliance.store.deletions import DeletionTarget, Tombstone

log = structlog.get_logger()

_SERVICE = "service"

Check = Callable[[Connection, DeletionTarget], None]


def delete(context: Context, actor: Actor, *, confirm: str) -> dict[str, int]:
    """Removes the organization and everything that belonged to it; tells how many there were of what.

    Raises:
        Invalid: ``confirm`` is not the organization's name.
        NotEnforced: the data plane could not be removed; it says whether everything is as before, or goes on by itself.
        Unavailable: the store can't be used; it says where the deletion goes on by itself.
    """
    actor.must_own()

    def check(transaction: Connection, doomed: DeletionTarget) -> None:
        organization = organizations.find(transaction, actor.organization_id)
        # A deletion that has begun goes on, whoever asks for it again.
        if organization is not None:
            check_standing(context, transaction, actor, organization, locked=True)
        if confirm != doomed.name:
            raise Invalid("To confirm, give the organization's name exactly as it is.", field="confirm")

    return _delete(context, actor.organization_id, actor.role.value, check)


def delete_by_service(context: Context, organization_id: str, check: Check) -> dict[str, int]:
    """Removes an organization that nobody asked to have removed.

    Args:
        check: looks once more, while nobody else changes the organization, and raises `Refused` where it is to stay.

    Raises:
        NotEnforced, Unavailable: as for `delete`.
    """
    return _delete(context, organization_id, _SERVICE, check)


def _delete(context: Context, organization_id: str, by: str, check: Check) -> dict[str, int]:
    with context.store.write() as transaction:
        doomed = deletions.find_locked(transaction, organization_id)
        if doomed is None:
            raise _gone()
        check(transaction, doomed)
        deletions.begin(transaction, doomed.id, context.clock())
    try:
        clear(context, doomed.id)
    except NotEnforced as error:
        if _take_back(context, doomed):
            raise
        raise NotEnforced("The data plane could not be removed yet; the deletion goes on by itself.") from error
    try:
        removed = _finish(context, doomed.id, by)
    except Unavailable as error:
        raise Unavailable("The deletion has begun, and goes on by itself as soon as the store can be used.") from error
    try:
        scrub(context)
    except Unavailable as error:
        log.warning("what was deleted is still in the store's log; it goes later", error=str(error.__cause__))
    return removed


def resume(context: Context, begun_until: datetime) -> None:
    """Finishes what was cut off.

    Args:
        begun_until: what begun later may still be somebody's who is at it.

    Raises:
        NotEnforced: a part of the data plane could not be removed; what is left of its organization stays for now.
    """
    with context.store.read() as transaction:
        begun = deletions.unfinished(transaction, begun_until)
    for organization_id in begun:
        clear(context, organization_id)
        _finish(context, organization_id, _SERVICE)
        log.info("a deletion that was cut off is finished", organization=organization_id)
    scrub(context)


def scrub(context: Context) -> None:
    """The store's files have nothing left of what was deleted, unless somebody reads them just now: then the next
    call does it."""
    with context.store.read() as transaction:
        if deletions.all_scrubbed(transaction):
            return
    until = context.clock()
    if not context.store.scrub():
        log.warning("what was deleted is still in the store's log; it goes when nobody reads that any more")
        return
    with context.store.write() as transaction:
        deletions.note_scrubbed(transaction, until)


def _finish(context: Context, organization_id: str, actor: str) -> dict[str, int]:
    with context.store.write() as transaction:
        doomed = deletions.find_locked(transaction, organization_id)
        if doomed is None:
            raise _gone()
        if doomed.keys is not None:
            # Another call for the same deletion met a data plane that refused, and took it back.
            raise NotEnforced("The data plane could not take the change; everything is as it was before.")
        removed = organizations.remove(transaction, organization_id)
        deletions.finish(transaction, Tombstone(context.clock(), actor, removed))
    context.states.forget(organization_id)
    return removed


def _take_back(context: Context, doomed: DeletionTarget) -> bool:
    """Whether everything is as it was before."""
    with context.store.write() as transaction:
        if not deletions.revert(transaction, doomed):
            return False
        before = organizations.desired(transaction, doomed.id)
        revision = organizations.revision(transaction, doomed.id)
    if before is not None and revision is not None:
        # What is refused here is seen to by the hub, which keeps comparing.
        with suppress(NotEnforced):
            enforce(context, before, revision)
    return True


def _gone() -> NotFound:
    return NotFound("This organization does not exist any more.")
