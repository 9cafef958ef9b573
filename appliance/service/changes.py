"""The way in which anything is changed that the data plane has: enforced and stored, or neither.

A change is worked out first, from one revision of its organization. Then the hub enforces it, while no transaction is
open: however long that takes, nobody waits for the store. Then one short transaction stores it, if the organization is
still at that revision; if it is not, the hub takes the change back, and it is worked out anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address
from typing import TypeVar

import structlog
from sqlalchemy import Connection

from appliance.hub.errors import Crowded, HubError, Overtaken
from appliance.model.desired import Desired
from appliance.model.errors import Conflict, Invalid, NotEnforced, Refused, TooMany
from appliance.model.ids import new_revision
from appliance.model.organization import Organization
from appliance.service.context import Actor, Context, Note, admit, check_trail, gone, write_trail
from appliance.store import machines, organizations

log = structlog.get_logger()

T = TypeVar("T")
Write = Callable[[Connection], object]

_MOST_TRIES = 6
_FIRST_PAUSE_S = 0.02


@dataclass
class Change(Note):
    """A change that is being worked out. Nothing is stored or enforced yet.

    Attributes:
        transaction: to read with; it can't write.
        organization: as it is before.
        before: what the data plane should have now, unless the organization is suspended.
        after: what it should have then; set it if that is something else.
        is_suspended: whether the data plane has nothing of the organization then, whatever it should have.
        writes: what the store is to be told, in the transaction that commits.
    """

    transaction: Connection
    organization: Organization
    before: Desired
    after: Desired
    is_suspended: bool
    writes: list[Write] = field(default_factory=list)

    @cached_property
    def disabled(self) -> Mapping[str, IPv4Address]:
        """Addresses of the machines that there are and that the data plane has nothing of, by id."""
        return machines.disabled_of(self.transaction, self.organization.id)

    @property
    def machine_count(self) -> int:
        """Number of machines that there are, disabled ones included."""
        return len(self.before.peers) + len(self.disabled)

    def write(self, write: Write) -> None:
        """Has the store told so, once the change is enforced.

        It runs only if the organization is still at the revision that was read here. Machines, policy, addresses and
        the organization's own row are as they were read then, and need not be read again.
        """
        self.writes.append(write)


def carry_out(context: Context, actor: Actor, edit: Callable[[Change], T]) -> T:
    """Makes a change of one organization: it is enforced and stored when this returns, or neither.

    Args:
        edit: works the change out. It is called again where somebody else changed the organization meanwhile, and
            keeps nothing from one call to the next.

    Returns:
        What ``edit`` gave for the change that was made.

    Raises:
        NotEnforced: the data plane could not take it.
        TooMany: the organization has too many changes under way, or used up its share of the hub's time.
        Conflict: others changed the organization all the time.
        NotFound: the organization is gone.
        Suspended, Unauthenticated, Forbidden: the actor may not change anything any more (`check_standing`).
    """
    with context.queues.turn(actor.organization_id):
        for attempt in range(_MOST_TRIES):
            try:
                return _try(context, actor, edit)
            except Overtaken as error:
                log.info("a change is worked out anew", organization=actor.organization_id, reason=str(error))
                # Not of this process: its own changes wait for each other.
                time.sleep(_FIRST_PAUSE_S * 2**attempt)
    raise Conflict("Others change this organization at the same time. Try again.", retry_after=1)


def _try(context: Context, actor: Actor, edit: Callable[[Change], T]) -> T:
    with context.store.read() as transaction:
        organization = admit(context, transaction, actor, locked=False)
        check_trail(context, organization, actor)
        before = _state_of(context, transaction, organization)
        is_suspended = organization.suspended_at is not None
        change = Change(transaction, organization, before, before, is_suspended)
        result = edit(change)
    revision = new_revision()
    was = None if is_suspended else before
    becomes = None if change.is_suspended else change.after
    if becomes == was:
        _store(context, actor, change, revision)
        return result
    try:
        change.after.check_size(before, most=organization.plan.element_limit)
    except Invalid as error:
        log.warning("a policy is too large", organization=organization.id, why=error.detail)
        raise
    is_enforced = False
    try:
        _apply(context, organization.id, becomes, base=organization.revision, revision=revision, before=was)
        is_enforced = True
        _store(context, actor, change, revision)
    except BaseException as error:
        # What the hub refused is not in force. Of anything else that happened to its answer we don't know.
        if is_enforced or not isinstance(error, Overtaken | Refused):
            log.warning("a change is taken back", organization=organization.id, reason=type(error).__name__)
            # Where this fails, too, the hub finds out by itself that the store has something else.
            with suppress(HubError), _read_anew(context, organization.id):
                context.hub.withdraw(organization.id, revision)
        raise
    _confirm(context, organization, revision)
    return result


def _store(context: Context, actor: Actor, change: Change, revision: int) -> None:
    with context.store.write() as transaction:
        organization = admit(context, transaction, actor, locked=True)
        if organization.revision != change.organization.revision:
            raise Overtaken("the organization has changed since the change was worked out")
        for write in change.writes:
            write(transaction)
        organizations.revise(transaction, organization.id, revision)
        write_trail(context, transaction, actor, change)
    context.states.keep(revision, change.after)


def _state_of(context: Context, transaction: Connection, organization: Organization) -> Desired:
    kept = context.states.get(organization.id, organization.revision)
    state = organizations.state(transaction, organization.id) if kept is None else kept
    if state is None:
        raise gone()
    return state


def _confirm(context: Context, organization: Organization, revision: int) -> None:
    """Makes sure that a hub that was started again meanwhile has not read the store too early."""
    try:
        context.hub.confirm(organization.id, revision)
    except HubError as error:
        # One that does not answer yet reads the store later, and one that can't do it keeps trying.
        log.warning("the hub was started again amid a change", organization=organization.id, error=str(error))


def enforce(context: Context, desired: Desired, revision: int) -> None:
    """Has the data plane have what the store has already, at this revision.

    Raises:
        NotEnforced: it could not be made so, or the store has something else by now.
    """
    try:
        _apply(context, desired.organization, desired, base=revision, revision=revision)
    except Overtaken as error:
        raise _not_enforced(desired.organization, error) from error


def clear(context: Context, organization_id: str) -> None:
    """Has the data plane have nothing of an organization that nobody has any more.

    Raises:
        NotEnforced: something of it is left.
    """
    try:
        with _read_anew(context, organization_id):
            context.hub.remove(organization_id)
    except HubError as error:
        raise _not_enforced(organization_id, error) from error


def _apply(
    context: Context,
    organization_id: str,
    desired: Desired | None,
    *,
    base: int,
    revision: int,
    before: Desired | None = None,
) -> None:
    try:
        with _read_anew(context, organization_id):
            context.hub.apply(organization_id, desired, base=base, revision=revision, before=before)
    except Overtaken:
        raise
    except Crowded as error:
        raise TooMany(str(error), retry_after=error.retry_after) from error
    except HubError as error:
        raise _not_enforced(organization_id, error) from error


@contextmanager
def _read_anew(context: Context, organization_id: str) -> Iterator[None]:
    """What was read of the data plane before the end of the block is out of date."""
    try:
        yield
    finally:
        context.counts.forget(organization_id)
        context.statuses.forget(organization_id)


def _not_enforced(organization_id: str, error: HubError) -> NotEnforced:
    log.error("not enforced", organization=organization_id, error=str(error))
    return NotEnforced("The data plane could not take the change; everything is as it was before.")
