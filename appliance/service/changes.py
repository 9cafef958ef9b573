"""Changes of the data plane: enforced and stored, or neither.

A change is prepared from one revision of its organization. Then the hub enforces it, without an open transaction, so
that nobody waits for the store. Then one short transaction stores it if the organization is still at that revision;
otherwise the hub takes the change back, and it is prepared again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address
from typing import Generic, TypeVar

import structlog
from sqlalchemy import Connection

from appliance.hub.errors import Crowded, HubError, HubUnreachable, Overtaken
from appliance.model.desired import Desired
from appliance.model.errors import Conflict, Invalid, NotEnforced, Refused, TooMany, Unavailable
from appliance.model.ids import new_revision
from appliance.model.organization import Organization
from appliance.model.sentences import Sentence, sentence
from appliance.service.actor import Actor
from appliance.service.context import Context
from appliance.service.recording import Note, Unrecorded, check_trail, write_trail
from appliance.service.standing import admit, gone
from appliance.store import machines, organizations, shards
from appliance.store.shards import Fence, Fenced

log = structlog.get_logger()

T = TypeVar("T")
Write = Callable[[Connection], object]

FIRST_PAUSE_S = 0.02
"""Seconds before a change that was overtaken is worked out anew; twice as long each time."""

_MOST_TRIES = 6
_HUB_IS_BACK_S = 3
NOT_ENFORCED = sentence("The data plane could not take the change; everything is as it was before.")


@dataclass
class OpenChange(Note):
    """A change in preparation. Nothing is stored or enforced yet.

    Attributes:
        transaction: for reading only.
        organization: before the change.
        before: the present desired state; a suspended organization has no data plane all the same.
        after: the desired state after the change; the same as ``before`` until it is set.
        is_suspended: whether the organization is suspended after the change.
        writes: what to do in the transaction that commits.
    """

    transaction: Connection
    organization: Organization
    before: Desired
    after: Desired
    is_suspended: bool
    writes: list[Write] = field(default_factory=list)

    @cached_property
    def disabled(self) -> Mapping[str, IPv4Address]:
        """Addresses of the disabled machines, by the machine's id."""
        return machines.disabled_of(self.transaction, self.organization.id)

    @property
    def machine_count(self) -> int:
        """Number of machines, including disabled ones."""
        return len(self.before.peers) + len(self.disabled)

    def write(self, write: Write) -> None:
        """Add a write to the transaction that commits the change, after it is enforced.

        It runs only if the organization is still at the revision that was read here, so its machines, policy,
        addresses and own row need not be read again.
        """
        self.writes.append(write)


@dataclass(frozen=True)
class CarriedOut(Generic[T]):
    """A change that is enforced and stored.

    Attributes:
        result: of the function that prepared it.
        enforced_s: seconds from the call of the hub to its answer that the kernel enforces the change; None if there
            was nothing to enforce.
    """

    result: T
    enforced_s: float | None


def carry_out(context: Context, actor: Actor, edit: Callable[[OpenChange], T]) -> T:
    """Change one organization as `carry_out_timed` does; returns the result of the last call of ``edit``."""
    return carry_out_timed(context, actor, edit).result


def carry_out_timed(context: Context, actor: Actor, edit: Callable[[OpenChange], T]) -> CarriedOut[T]:
    """Change one organization; the change is enforced and stored when this returns, or neither.

    Args:
        edit: prepares the change and notes its entry in the audit trail. It is called again if somebody else changed
            the organization meanwhile, so it must keep nothing from one call to the next.

    Returns:
        The result of the last call of ``edit``, and how long enforcing took.

    Raises:
        NotEnforced: the data plane could not take the change.
        TooMany: the organization has too many changes in progress, or used up its share of the hub's time.
        Conflict: others kept changing the organization.
        Unrecorded: ``edit`` noted no entry.
        NotFound: the organization was removed.
        Suspended, Unauthenticated, Forbidden: the actor has lost the right to change anything (`check_standing`).
    """
    with context.queues.turn(actor.organization_id):
        for attempt in range(_MOST_TRIES):
            try:
                return _try(context, actor, edit)
            except Overtaken as error:
                log.info("a change is prepared again", organization=actor.organization_id, reason=str(error))
                # Another process made the other change: this one's wait for each other.
                time.sleep(FIRST_PAUSE_S * 2**attempt)
    raise Conflict("Others change this organization at the same time. Try again.", retry_after=1)


def _try(context: Context, actor: Actor, edit: Callable[[OpenChange], T]) -> CarriedOut[T]:
    with context.store.read() as transaction:
        organization = admit(context, transaction, actor, locked=False)
        check_trail(context, organization, actor)
        change = prepared(context, transaction, organization)
        before, is_suspended = change.before, change.is_suspended
        result = edit(change)
    if change.detail is None:
        raise Unrecorded("a change of the data plane has no entry in the audit trail")
    revision = new_revision()
    was = None if is_suspended else before
    becomes = None if change.is_suspended else change.after
    if becomes == was:
        _store(context, actor, change, revision)
        return CarriedOut(result, None)
    try:
        change.after.check_size(before, most=organization.plan.element_limit)
    except Invalid as error:
        log.warning("a policy is too large", organization=organization.id, why=error.detail)
        raise
    is_enforced = False
    began = time.perf_counter()
    try:
        _apply(context, organization.id, becomes, base=organization.revision, revision=revision, before=was)
        enforced_s = time.perf_counter() - began
        is_enforced = True
        _store(context, actor, change, revision, context.hub.fence(organization.id))
    except BaseException as error:
        # After a refusal the change is not in force, or the hub takes it back once the call's connection has ended
        # (`agreement`). After any other failure that is unknown.
        if is_enforced or not isinstance(error, Overtaken | Refused):
            _take_back(context, organization.id, revision, error)
        raise
    _confirm(context, organization, revision)
    return CarriedOut(result, enforced_s)


def _take_back(context: Context, organization_id: str, revision: int, cause: BaseException) -> None:
    """Take a change back that is in force, or may be, and is not stored."""
    # Another change came first, another hub owns the shard by now, or the actor lost a right meanwhile: these are
    # outcomes of what others do. A store that can't be used, or anything unforeseen, is a failure of the service.
    is_expected = isinstance(cause, Overtaken | Refused) and (
        isinstance(cause, Fenced) or not isinstance(cause, Unavailable)
    )
    tell = log.warning if is_expected else log.error
    tell("a change is taken back", organization=organization_id, reason=type(cause).__name__)
    try:
        with _read_anew(context, organization_id):
            context.hub.withdraw(organization_id, revision)
    except (HubError, Unavailable) as error:
        # The hub notices by itself that the store has another state; until then the change stays in force.
        log.error("a change can't be taken back yet", organization=organization_id, error=str(error))


def prepared(context: Context, transaction: Connection, organization: Organization) -> OpenChange:
    """Make a change of an organization that changes nothing yet.

    Raises:
        NotFound: the organization was removed.
    """
    state = state_of(context, transaction, organization)
    return OpenChange(transaction, organization, state, state, organization.suspended_at is not None)


def _store(context: Context, actor: Actor, change: OpenChange, revision: int, fence: Fence | None = None) -> None:
    """Store a change.

    Args:
        fence: owner of a shard that enforces it.
    """
    with context.store.write() as transaction:
        organization = admit(context, transaction, actor, locked=True)
        if organization.revision != change.organization.revision:
            raise Overtaken("the organization has changed since the change was prepared")
        for write in change.writes:
            write(transaction)
        organizations.revise(transaction, organization.id, revision)
        write_trail(context, transaction, actor, change)
        if fence is not None:
            # Last: the next owner waits for this commit alone, and then reads it.
            shards.check(transaction, fence)
    context.states.keep(revision, change.after)


def state_of(context: Context, transaction: Connection, organization: Organization) -> Desired:
    """Load an organization's desired state, even if it is suspended; recent ones are kept in memory.

    Raises:
        NotFound: the organization was removed.
    """
    kept = context.states.get(organization.id, organization.revision)
    state = organizations.state(transaction, organization.id) if kept is None else kept
    if state is None:
        raise gone()
    return state


def _confirm(context: Context, organization: Organization, revision: int) -> None:
    """Make a hub that was restarted during the change read the store again if it read too early."""
    try:
        context.hub.confirm(organization.id, revision)
    except HubError as error:
        # A hub that does not answer yet reads the store later; one that fails keeps trying.
        log.warning("the hub was restarted during a change", organization=organization.id, error=str(error))


def enforce(context: Context, desired: Desired, revision: int) -> None:
    """Enforce a state that the store has already, at this revision.

    Raises:
        NotEnforced: the data plane could not take it, or the store has another revision by now.
    """
    try:
        _apply(context, desired.organization, desired, base=revision, revision=revision)
    except Overtaken as error:
        raise _not_enforced(desired.organization, error) from error


def clear(context: Context, organization_id: str) -> None:
    """Remove an organization from the data plane.

    Raises:
        NotEnforced: a part of it remains.
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
        raise TooMany(Sentence(str(error)), retry_after=error.retry_after) from error
    except HubError as error:
        raise _not_enforced(organization_id, error) from error


@contextmanager
def _read_anew(context: Context, organization_id: str) -> Iterator[None]:
    """Drop the kept readings of the organization's data plane when the block ends."""
    try:
        yield
    finally:
        context.counts.forget(organization_id)
        context.statuses.forget(organization_id)


def _not_enforced(organization_id: str, error: HubError) -> NotEnforced:
    log.error("a change could not be enforced", organization=organization_id, error=str(error))
    return NotEnforced(NOT_ENFORCED, retry_after=_HUB_IS_BACK_S if isinstance(error, HubUnreachable) else None)
