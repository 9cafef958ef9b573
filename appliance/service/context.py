"""What every use case works with, and the way in which anything is changed that the store alone has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any, Protocol

from sqlalchemy import Connection

from appliance.model import retention
from appliance.model.access import CHANGE, MANAGE, Scope
from appliance.model.desired import Desired, PeerStatus, RuleCount
from appliance.model.errors import Forbidden, NotFound, Suspended, TooMany, Unauthenticated
from appliance.model.hosts import authority
from appliance.model.organization import Organization, Role
from appliance.model.retention import Retention
from appliance.model.sign_up import SignUpMode
from appliance.service import credentials
from appliance.service.credentials import Credential
from appliance.service.queues import Queues
from appliance.service.readings import Readings
from appliance.service.states import States
from appliance.service.underway import Underway
from appliance.store import Store, audit, organizations, repeats, times, trails
from appliance.store.repeats import RequestKey
from appliance.vault import CodeSecret, SealedKeys

SUSPENDED = "The operator of this service has suspended your organization. Ask them; nothing of it is deleted."


Counts = Mapping[str | None, RuleCount]
Statuses = Mapping[str, PeerStatus]


class HubPort(Protocol):
    """Data plane as use cases call it; `appliance.hub.rpc.client.HubClient` implements it."""

    def create_keys(self, organization: str) -> SealedKeys: ...

    def create_code_secret(self, organization: str, member: str) -> CodeSecret: ...

    def match_code(self, organization: str, member: str, sealed: bytes, code: str, at: float) -> int | None: ...

    def free_ports(self, candidates: Sequence[int], most: int) -> Sequence[int]: ...

    def apply(
        self, organization: str, desired: Desired | None, *, base: int, revision: int, before: Desired | None = None
    ) -> None: ...

    def withdraw(self, organization: str, revision: int) -> None: ...

    def confirm(self, organization: str, revision: int) -> None: ...

    def remove(self, organization: str) -> None: ...

    def peers(self, organization: str) -> Sequence[PeerStatus]: ...

    def counters(self, organization: str) -> Sequence[RuleCount]: ...


@dataclass(frozen=True)
class Context:
    """The store, the data plane, and what the operator decided.

    Attributes:
        endpoint_host: what configurations name as the hub's address.
        endpoint_port: the public UDP port as configurations name it, which all organizations share.
        site: where people find the pages, without a slash at its end; links in letters begin with it.
        sends_mail: whether letters find their way; without, an operator's command hands out the links.
        sign_up: what a sign-up takes.
        unused_after: how long an organization may be unused (`unused`) before it is removed; None: for good.
        clock: gives the current time in UTC.
        states: what the data plane should have, as far as it is known without asking the store.
        counts: what rules decided, by the rule's id, as last read.
        statuses: what WireGuard knows of machines, by public key, as last read.
        queues: where changes of one organization wait for each other.
        retention: how much of each audit trail is kept.
        refusals: changes that were refused because an organization has reached a bound, by the bound's name.
        underway: requests with a key that this process works on.
    """

    store: Store
    hub: HubPort
    endpoint_host: str
    endpoint_port: int
    site: str = "https://localhost:8443"
    sends_mail: bool = False
    sign_up: SignUpMode = SignUpMode.OPEN
    unused_after: timedelta | None = None
    clock: Callable[[], datetime] = times.now
    states: States = field(default_factory=States)
    counts: Readings[Counts] = field(default_factory=Readings)
    statuses: Readings[Statuses] = field(default_factory=Readings)
    queues: Queues = field(default_factory=Queues)
    retention: Retention = Retention()
    refusals: Counter[str] = field(default_factory=Counter)
    underway: Underway = field(default_factory=Underway)

    @property
    def endpoint(self) -> str:
        """``host:port`` of the hub; an IPv6 address in brackets."""
        return authority(self.endpoint_host, self.endpoint_port)


@dataclass(frozen=True)
class Actor:
    """Who asks, within which organization.

    Attributes:
        email: the member's; of the operator, who is no member, just that word.
        token: the name of the API token that the call came with; None for a session.
        scope: what that token may be used for.
        credential: what the call came with, which has to hold still when something changes; only the operator has none.
        request: the key under which it is noted that the request was done (`repeats`), where it has one.
    """

    organization_id: str
    member_id: str
    email: str
    role: Role
    token: str | None = None
    scope: Scope | None = None
    credential: Credential | None = field(default=None, compare=False)
    request: RequestKey | None = field(default=None, compare=False)

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
class Note:
    """Content of a change's entry in the audit trail, if it gets one.

    Attributes:
        made: what it makes, as a path of the API; a repeated request is told of it.
    """

    action: str = field(default="", init=False)
    detail: dict[str, Any] | None = field(default=None, init=False)
    made: str | None = field(default=None, init=False)

    def note(self, action: str, **detail: Any) -> None:
        """Says what happened, for the audit trail; secrets never belong here."""
        self.action, self.detail = action, detail


@dataclass
class Record(Note):
    """An open change of what the store alone has: the transaction, and what the audit trail will say of it.

    Attributes:
        organization: as it was before; nobody else changes it until this is over.
    """

    transaction: Connection
    organization: Organization


@contextmanager
def recording(context: Context, actor: Actor) -> Iterator[Record]:
    """A change of one organization that concerns the store alone, together with its entry in the audit trail.

    Raises:
        NotFound: the organization is gone.
        Suspended, Unauthenticated, Forbidden: the actor may not change anything any more (`check_standing`).
    """
    with _locked(context, actor) as (transaction, organization):
        record = Record(transaction, organization)
        yield record
        write_trail(context, transaction, actor, record)


@contextmanager
def _locked(context: Context, actor: Actor) -> Iterator[tuple[Connection, Organization]]:
    with context.store.write() as transaction:
        yield transaction, admit(context, transaction, actor, locked=True)


def admit(context: Context, transaction: Connection, actor: Actor, *, locked: bool) -> Organization:
    """The actor's organization, if the actor may change it at this moment.

    Every change asks this in the transaction that commits it, so that what was taken from the actor meanwhile counts.

    Args:
        locked: whether nobody else may change the organization before the transaction ends.

    Raises:
        NotFound: the organization is gone.
        Suspended, Unauthenticated, Forbidden: the actor may not change anything any more (`check_standing`).
    """
    find = organizations.find_locked if locked else organizations.find
    organization = find(transaction, actor.organization_id)
    if organization is None:
        raise gone()
    check_standing(context, transaction, actor, organization, locked=locked)
    return organization


def check_standing(
    context: Context, transaction: Connection, actor: Actor, organization: Organization, *, locked: bool
) -> None:
    """Makes sure that the actor still has what they had when their call was let in.

    Args:
        organization: as it is now.
        locked: whether what the actor has stays until the transaction ends.

    Raises:
        Suspended: nobody of the organization may change anything now.
        Unauthenticated: the member was removed, or the session, token or invitation that the call came with has ended.
        Forbidden: the member's role is less than it was.
    """
    if actor.is_operator:
        return
    if organization.suspended_at is not None:
        raise Suspended(SUSPENDED)
    role = None
    if actor.credential is not None:
        role = credentials.role_of(transaction, actor.credential, context.clock(), locked=locked)
    if role is None:
        raise Unauthenticated("What you signed in with has ended meanwhile, and nothing was changed. Sign in again.")
    if not role.covers(actor.role):
        raise Forbidden("Your role was changed meanwhile, and nothing else was. Try again.")


def check_trail(context: Context, organization: Organization, actor: Actor) -> None:
    """Whether the organization may write to its audit trail today.

    What takes somebody's way in away does not ask, so that it is possible also when somebody has filled the trail.

    Raises:
        TooMany: its changes have filled a day's share.
    """
    now = context.clock()
    written = trails.written_on(organization, now)
    if written < retention.MOST_A_DAY or actor.is_operator:
        return
    context.refusals["trail"] += 1
    midnight = datetime.combine(now.date() + timedelta(days=1), time.min, now.tzinfo)
    raise TooMany(
        f"Your organization's changes filled {retention.MOST_A_DAY // retention.MEGABYTE} MB of its audit trail today, "
        "and that is the most. Changes are possible again from midnight (UTC).",
        retry_after=int((midnight - now).total_seconds()) + 1,
    )


def write_trail(context: Context, transaction: Connection, actor: Actor, note: Note) -> None:
    """Put what a change noted into the audit trail, if anything, and note that the request for it is done."""
    if actor.request is not None:
        repeats.mark_done(transaction, actor.request, note.made)
    if note.detail is not None:
        audit.record(transaction, actor.organization_id, actor.name, note.action, note.detail, context.clock())


def gone() -> NotFound:
    """The organization of who asks is not there any more."""
    return NotFound("This organization does not exist any more.")
