"""What every use case works with, and the one way in which anything is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import structlog
from sqlalchemy import Connection

from appliance.hub.errors import HubError
from appliance.model.access import CHANGE, MANAGE, Scope
from appliance.model.desired import Desired, PeerStatus, RuleCount
from appliance.model.errors import NotEnforced, NotFound, Suspended
from appliance.model.organization import Organization, Role
from appliance.service.readings import Readings
from appliance.service.states import States
from appliance.store import Store, audit, organizations, times
from appliance.vault import CodeSecret, SealedKeys

log = structlog.get_logger()

SUSPENDED = "The operator of this service has suspended your organization. Ask them; nothing of it is deleted."


Counts = Mapping[str | None, RuleCount]
Statuses = Mapping[str, PeerStatus]


class HubPort(Protocol):
    """What use cases ask of the data plane; `appliance.hub.client.HubClient` is one."""

    def create_keys(self, organization: str) -> SealedKeys: ...

    def create_code_secret(self, organization: str, member: str) -> CodeSecret: ...

    def match_code(self, organization: str, member: str, sealed: bytes, code: str, at: float) -> int | None: ...

    def find_port(self, candidates: Sequence[int]) -> int | None: ...

    def apply(self, desired: Desired) -> None: ...

    def remove(self, organization: str) -> None: ...

    def peers(self, organization: str) -> Sequence[PeerStatus]: ...

    def counters(self, organization: str) -> Sequence[RuleCount]: ...


@dataclass(frozen=True)
class Workplace:
    """The store, the data plane, and what the operator decided.

    Attributes:
        endpoint_host: what configurations name as the hub's address.
        endpoint_port: the public UDP port, which all organizations share.
        site: where people find the pages, without a slash at its end; links in letters begin with it.
        sends_mail: whether letters find their way; without, an operator's command hands out the links.
        clock: gives the current time in UTC.
        states: what the data plane should have, as far as it is known without asking the store.
        counts: what rules decided, by the rule's id, as last read.
        statuses: what WireGuard knows of machines, by public key, as last read.
    """

    store: Store
    hub: HubPort
    endpoint_host: str
    endpoint_port: int
    site: str = "https://localhost:8443"
    sends_mail: bool = False
    clock: Callable[[], datetime] = times.now
    states: States = field(default_factory=States)
    counts: Readings[Counts] = field(default_factory=Readings)
    statuses: Readings[Statuses] = field(default_factory=Readings)

    @property
    def endpoint(self) -> str:
        """``host:port`` of the hub; an IPv6 address in brackets."""
        host = f"[{self.endpoint_host}]" if ":" in self.endpoint_host else self.endpoint_host
        return f"{host}:{self.endpoint_port}"


@dataclass(frozen=True)
class Actor:
    """Who asks, within which organization.

    Attributes:
        email: the member's; of the operator, who is no member, just that word.
        token: the name of the API token that the call came with; None for a session.
        scope: what that token may be used for.
    """

    organization_id: str
    member_id: str
    email: str
    role: Role
    token: str | None = None
    scope: Scope | None = None

    @classmethod
    def operator(cls, organization_id: str) -> Actor:
        """Who runs the service, at work on this organization."""
        return cls(organization_id, "", "operator", Role.OWNER)

    @property
    def is_operator(self) -> bool:
        """Whether it is nobody of the organization."""
        return not self.member_id

    @property
    def name(self) -> str:
        """Who it was, for the audit trail."""
        return self.email if self.token is None else f"{self.email} (token {self.token})"

    def must_change(self) -> None:
        """Raises `Forbidden` unless this member may change machines and policy."""
        CHANGE.check(self.role, self.scope)

    def must_own(self) -> None:
        """Raises `Forbidden` unless this member owns the organization, and is there in person."""
        MANAGE.check(self.role, self.scope)


@dataclass
class Record:
    """An open change of what the store alone has: the transaction, and what the audit trail will say of it.

    Attributes:
        organization: as it was before; nobody else changes it until this is over.
    """

    transaction: Connection
    organization: Organization
    action: str = ""
    detail: dict[str, Any] | None = None

    def note(self, action: str, **detail: Any) -> None:
        """What happened, for the audit trail; secrets never belong here."""
        self.action, self.detail = action, detail


@dataclass
class Change(Record):
    """An open change of what the data plane has, too.

    Attributes:
        before: what the data plane has.
        after: what it shall have; who changes the store so that it is another state says so here.
    """

    before: Desired = field(kw_only=True)
    after: Desired = field(kw_only=True)


@contextmanager
def recording(workplace: Workplace, actor: Actor) -> Iterator[Record]:
    """A change of one organization that concerns the store alone, together with its entry in the audit trail.

    Raises:
        NotFound: the organization is gone.
        Suspended: nobody of it may change anything now.
    """
    with _locked(workplace, actor) as (transaction, organization):
        record = Record(transaction, organization)
        yield record
        _write(workplace, actor, record)


@contextmanager
def changing(workplace: Workplace, actor: Actor) -> Iterator[Change]:
    """A change of one organization that is enforced and stored, or neither.

    The data plane takes the change while the transaction is still open: what it refuses is rolled back, and what the
    store then fails to keep is taken back from the data plane.

    Raises:
        NotEnforced: the data plane could not take it.
        NotFound: the organization is gone.
        Suspended: nobody of it may change anything now.
    """
    taken_back: Desired | None = None
    try:
        with _locked(workplace, actor) as (transaction, organization):
            before = _state_of(workplace, transaction, organization)
            change = Change(transaction, organization, before=before, after=before)
            yield change
            _write(workplace, actor, change)
            revision = organization.revision
            if change.after != before:
                change.after.check_size()
                revision = organizations.revise(transaction, organization.id)
                enforce(workplace, change.after, organization.id)
                taken_back = before
        workplace.states.keep(revision, change.after)
    except BaseException:
        if taken_back is not None:
            log.error("the store refused what was enforced already", organization=actor.organization_id)
            with suppress(HubError):
                workplace.hub.apply(taken_back)
        raise


@contextmanager
def _locked(workplace: Workplace, actor: Actor) -> Iterator[tuple[Connection, Organization]]:
    with workplace.store.write() as transaction:
        organization = organizations.find_locked(transaction, actor.organization_id)
        if organization is None:
            raise _gone()
        if organization.suspended_at is not None and not actor.is_operator:
            raise Suspended(SUSPENDED)
        yield transaction, organization


def _write(workplace: Workplace, actor: Actor, record: Record) -> None:
    if record.detail is not None:
        audit.record(
            record.transaction, actor.organization_id, actor.name, record.action, record.detail, workplace.clock()
        )


def _gone() -> NotFound:
    return NotFound("This organization does not exist any more.")


def _state_of(workplace: Workplace, transaction: Connection, organization: Organization) -> Desired:
    kept = workplace.states.get(organization.id, organization.revision)
    state = organizations.state(transaction, organization.id) if kept is None else kept
    if state is None:
        raise _gone()
    return state


def enforce(workplace: Workplace, desired: Desired | None, organization_id: str) -> None:
    """The data plane has this state, or nothing of the organization where ``desired`` is None.

    Raises:
        NotEnforced: it could not be made so.
    """
    try:
        if desired is None:
            workplace.hub.remove(organization_id)
        else:
            workplace.hub.apply(desired)
    except HubError as error:
        log.error("not enforced", organization=organization_id, error=str(error))
        raise NotEnforced("The data plane could not take the change; everything is as it was before.") from error
    finally:
        workplace.counts.forget(organization_id)
        workplace.statuses.forget(organization_id)
