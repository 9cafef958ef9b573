"""Deletion of organizations.

First the organization's keys are destroyed and nobody can sign in; then its data plane is removed, then its rows, a few
at a time, then their remains in the store's files. Each step can be repeated: an interrupted deletion is finished by
the next call for it, or by the next start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

import structlog
from sqlalchemy import Connection

from appliance.model.errors import Invalid, NotEnforced, Unavailable
from appliance.service.actor import Actor
from appliance.service.changes import NOT_ENFORCED, clear, enforce
from appliance.service.context import Context
from appliance.service.standing import check_standing, gone
from appliance.store import deletions, organizations
from appliance.store.deletions import DeletionTarget, Tombstone
from appliance.store.portions import PORTION, pause

log = structlog.get_logger()

_SERVICE = "service"

Check = Callable[[Connection, DeletionTarget], None]


def delete(context: Context, actor: Actor, *, confirm: str) -> dict[str, int]:
    """Delete the actor's organization with everything that belongs to it.

    Returns:
        Number of deleted rows by table.

    Raises:
        Invalid: ``confirm`` is not the organization's name.
        NotEnforced: the data plane could not be removed; the text says whether everything is as before, or the
            deletion goes on by itself.
        Unavailable: the store can't be used; the text says whether the deletion goes on by itself.
    """
    actor.must_own()

    def check(transaction: Connection, doomed: DeletionTarget) -> None:
        organization = organizations.find(transaction, actor.organization_id)
        # A deletion that has begun can be repeated by anybody.
        if organization is not None:
            check_standing(context, transaction, actor, organization, locked=True)
        if confirm != doomed.name:
            raise Invalid("To confirm, give the organization's name exactly as it is.", field="confirm")

    return _delete(context, actor.organization_id, actor.role.value, check)


def delete_by_service(context: Context, organization_id: str, check: Check) -> dict[str, int]:
    """Delete an organization on the service's own decision; returns the number of deleted rows by table.

    Args:
        check: is called with the organization locked, and raises `Refused` to keep it.

    Raises:
        NotEnforced, Unavailable: the data plane or the store failed; the text says whether the deletion goes on.
    """
    return _delete(context, organization_id, _SERVICE, check)


def _delete(context: Context, organization_id: str, by: str, check: Check) -> dict[str, int]:
    with context.store.write() as transaction:
        doomed = deletions.find_locked(transaction, organization_id)
        if doomed is None:
            raise gone()
        check(transaction, doomed)
        doomed = deletions.begin(transaction, doomed, context.clock())
    with _told_that_it_goes_on():
        _clear(context, doomed)
        removed = _finish(context, doomed.id, by)
    try:
        scrub(context)
    except Unavailable as error:
        log.warning("deleted rows are still in the store's log; scrubbed later", error=str(error.__cause__))
    return removed


@contextmanager
def _told_that_it_goes_on() -> Iterator[None]:
    """Tell what becomes of a deletion that has begun if the store is lost."""
    try:
        yield
    except Unavailable as error:
        raise Unavailable("The deletion has begun, and goes on by itself as soon as the store can be used.") from error


def _clear(context: Context, doomed: DeletionTarget) -> None:
    try:
        clear(context, doomed.id)
    except NotEnforced as error:
        if _take_back(context, doomed):
            raise
        raise NotEnforced("The data plane could not be removed yet; the deletion goes on by itself.") from error


def resume(context: Context, begun_until: datetime) -> None:
    """Finish interrupted deletions.

    Args:
        begun_until: deletions that began later may still be running, and are left alone.

    Raises:
        NotEnforced: a part of the data plane could not be removed; the rest of its organization stays for now.
    """
    with context.store.read() as transaction:
        begun = deletions.unfinished(transaction, begun_until)
    for organization_id in begun:
        clear(context, organization_id)
        _finish(context, organization_id, _SERVICE)
        log.info("an interrupted deletion is finished", organization=organization_id)
    scrub(context)


def scrub(context: Context) -> None:
    """Remove deleted rows from the store's files; while somebody reads them, that is left to the next call."""
    with context.store.read() as transaction:
        if deletions.all_scrubbed(transaction):
            return
    until = context.clock()
    if not context.store.scrub():
        log.warning("deleted rows are still in the store's log; scrubbed when nobody reads it")
        return
    with context.store.write() as transaction:
        deletions.note_scrubbed(transaction, until)


def _finish(context: Context, organization_id: str, actor: str) -> dict[str, int]:
    removed: Counter[str] = Counter()
    while not _remove_portion(context, organization_id, actor, removed):
        pause()
    context.states.forget(organization_id)
    context.trends.forget(organization_id)
    return dict(removed)


def _remove_portion(context: Context, organization_id: str, actor: str, removed: Counter[str]) -> bool:
    """Remove some rows of an organization, and finish its deletion with the last ones; False if some are left.

    Args:
        removed: numbers of rows by kind, to which these are added.
    """
    with context.store.write() as transaction:
        doomed = deletions.find_locked(transaction, organization_id)
        if doomed is None:
            if removed:
                # Another call for the same deletion has removed the rest.
                return True
            raise gone()
        if doomed.keys is not None:
            # Another call for the same deletion failed at the data plane, and took it back.
            raise NotEnforced(NOT_ENFORCED)
        portion, is_all = organizations.remove(transaction, organization_id, PORTION)
        removed.update(portion)
        if is_all:
            deletions.finish(transaction, Tombstone(context.clock(), actor, removed))
    return is_all


def _take_back(context: Context, doomed: DeletionTarget) -> bool:
    """Undo a deletion that has begun; False if it can't be undone any more."""
    with context.store.write() as transaction:
        if not deletions.revert(transaction, doomed):
            return False
        before = organizations.desired(transaction, doomed.id)
        revision = organizations.revision(transaction, doomed.id)
    if before is not None and revision is not None:
        # If this fails, the hub restores the state by itself: it keeps comparing.
        with suppress(NotEnforced):
            enforce(context, before, revision)
    return True
