"""Context and actor of every use case, and changes that concern the store alone."""

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
from appliance.model.probes import Probe
from appliance.model.retention import Retention
from appliance.model.sentences import sentence
from appliance.model.sign_up import SignUpMode
from appliance.service import credentials
from appliance.service.count_baselines import Baselines
from appliance.service.credentials import Credential
from appliance.service.queues import Queues
from appliance.service.readings import Readings
from appliance.service.states import States
from appliance.service.trends import Trends
from appliance.service.underway import Underway
from appliance.store import Store, audit, operations, organizations, repeats, shards, times, trails
from appliance.store.operations import OperatorCommand
from appliance.store.repeats import RequestKey
from appliance.store.shards import Fence
from appliance.vault import CodeSecret, SealedKeys

GONE = sentence("This organization does not exist any more.")
SUSPENDED = sentence(
    "The operator of this service has suspended your organization. Ask them; nothing of it is deleted."
)


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

    def fence(self, organization: str) -> Fence | None: ...

    def withdraw(self, organization: str, revision: int) -> None: ...

    def confirm(self, organization: str, revision: int) -> None: ...

    def remove(self, organization: str) -> None: ...

    def peers(self, organization: str) -> Sequence[PeerStatus]: ...

    def ping(self, organization: str, machine: str) -> float | None: ...

    def measure(self, organization: str, probes: Sequence[Probe]) -> Sequence[bool]: ...

    def counters(self, organization: str) -> Sequence[RuleCount]: ...


@dataclass(frozen=True)
class Context:
    """Store, data plane and settings of the service.

    Attributes:
        endpoint_host: the hub's address in machines' configurations.
        endpoint_port: the public UDP port in machines' configurations; all organizations without a shard share it.
        site: base URL of the pages, without a slash at its end; links in letters begin with it.
        sends_mail: False without a relay; the operator hands out links then.
        sign_up: who may sign up.
        unused_after: unused organizations (`unused`) are removed after this time; None: never.
        clock: returns the current time in UTC.
        states: desired states of recently changed organizations.
        counts: recent packet counts by rule.
        trends: earlier packet counts by rule.
        baselines: packet counts by rule at the last full hour.
        statuses: recent WireGuard status by public key.
        queues: changes of one organization wait for each other here.
        retention: how much of each audit trail is kept.
        refusals: number of changes that were refused because of a bound, by the bound's name.
        underway: keyed requests that this process works on.
        shard_endpoints: ``host:port`` of shards by id, as far as they were asked for.
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
    trends: Trends = field(default_factory=Trends)
    baselines: Baselines = field(default_factory=Baselines)
    statuses: Readings[Statuses] = field(default_factory=Readings)
    queues: Queues = field(default_factory=Queues)
    retention: Retention = Retention()
    refusals: Counter[str] = field(default_factory=Counter)
    underway: Underway = field(default_factory=Underway)
    shard_endpoints: dict[str, str] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        """``host:port`` of the one hub; an IPv6 address in brackets."""
        return authority(self.endpoint_host, self.endpoint_port)

    def endpoint_of(self, organization: Organization) -> str:
        """``host:port`` that an organization's configurations name: its shard's, or the one hub's."""
        if organization.shard is None:
            return self.endpoint
        if organization.shard not in self.shard_endpoints:
            with self.store.read() as transaction:
                found = shards.find_all(transaction)
            # A shard's address never changes.
            self.shard_endpoints.update({each.id: each.endpoint for each in found})
        return self.shard_endpoints[organization.shard]


@dataclass(frozen=True)
class Actor:
    """Caller of a use case: a member of an organization, or the operator.

    Attributes:
        email: the member's; "operator" for the operator.
        token: name of the API token of the call; None for a session.
        scope: of that token.
        credential: session, token or invitation of the call, checked again when a change commits; None for a command
            of the operator.
        request: key under which `repeats` notes the request as done, if it has one.
        account: e-mail address of an operator on the pages, for the log of operations; organizations are not told it.
        permit: takes a proof that permits one change, in the transaction that commits it.
    """

    organization_id: str
    member_id: str
    email: str
    role: Role
    token: str | None = None
    scope: Scope | None = None
    credential: Credential | None = field(default=None, compare=False)
    request: RequestKey | None = field(default=None, compare=False)
    account: str = field(default="", compare=False)
    permit: Callable[[Connection], None] | None = field(default=None, compare=False)

    @classmethod
    def operator(
        cls,
        organization_id: str,
        credential: Credential | None = None,
        account: str = "",
        permit: Callable[[Connection], None] | None = None,
    ) -> Actor:
        """Make the actor for the operator's work on an organization.

        Args:
            credential: the operator's session on the pages; None for a command.
            account: e-mail address of the operator on the pages.
            permit: takes the code for a change on the pages (`operator_sessions.permit`).
        """
        return cls(organization_id, "", "operator", Role.OWNER, credential=credential, account=account, permit=permit)

    @property
    def is_operator(self) -> bool:
        """True for the operator, who is no member of the organization."""
        return not self.member_id

    @property
    def name(self) -> str:
        """Name of the actor in the audit trail."""
        return self.email if self.token is None else f"{self.email} (token {self.token})"

    def must_change(self) -> None:
        """Raise `Forbidden` unless this actor may change machines and policy."""
        CHANGE.check(self.role, self.scope)

    def must_own(self) -> None:
        """Raise `Forbidden` unless this actor is an owner with a session."""
        MANAGE.check(self.role, self.scope)


@dataclass
class Note:
    """Content of a change's entry in the audit trail, if it gets one.

    Attributes:
        made: API path of what the change creates; a repeated request is told of it.
    """

    action: str = field(default="", init=False)
    detail: dict[str, Any] | None = field(default=None, init=False)
    made: str | None = field(default=None, init=False)

    def note(self, action: str, **detail: Any) -> None:
        """Set the entry's content, which must not contain secrets."""
        self.action, self.detail = action, detail


@dataclass
class Recording(Note):
    """A change of the store alone, with its open transaction and its entry in the audit trail.

    Attributes:
        organization: before the change; its row is locked.
    """

    transaction: Connection
    organization: Organization


@contextmanager
def recording(context: Context, actor: Actor) -> Iterator[Recording]:
    """Change one organization in the store alone, and record it in the audit trail when the block ends.

    Raises:
        NotFound: the organization was removed.
        Suspended, Unauthenticated, Forbidden: the actor has lost the right to change anything (`check_standing`).
    """
    with _locked(context, actor) as (transaction, organization):
        record = Recording(transaction, organization)
        yield record
        write_trail(context, transaction, actor, record)


@contextmanager
def _locked(context: Context, actor: Actor) -> Iterator[tuple[Connection, Organization]]:
    with context.store.write() as transaction:
        yield transaction, admit(context, transaction, actor, locked=True)


def organization_of(transaction: Connection, actor: Actor) -> Organization:
    """Load the actor's organization.

    Raises:
        NotFound: the organization was removed.
    """
    organization = organizations.find(transaction, actor.organization_id)
    if organization is None:
        raise gone()
    return organization


def admit(context: Context, transaction: Connection, actor: Actor, *, locked: bool) -> Organization:
    """Load the actor's organization, and check that the actor may change it now.

    Every change calls this in the transaction that commits it, so that rights lost meanwhile count.

    Args:
        locked: True in the transaction that commits: the organization's row is locked until it ends, and the actor's
            permit is taken.

    Raises:
        NotFound: the organization was removed.
        Suspended, Unauthenticated, Forbidden: the actor has lost the right to change anything (`check_standing`).
        WrongProof: the permit was taken meanwhile.
    """
    find = organizations.find_locked if locked else organizations.find
    organization = find(transaction, actor.organization_id)
    if organization is None:
        raise gone()
    check_standing(context, transaction, actor, organization, locked=locked)
    if locked and actor.permit is not None:
        actor.permit(transaction)
    return organization


def check_standing(
    context: Context, transaction: Connection, actor: Actor, organization: Organization, *, locked: bool
) -> None:
    """Check that the actor's credential and role are still what they were when the call began.

    Args:
        organization: as it is now.
        locked: True to keep the credential unchanged until the transaction ends.

    Raises:
        Suspended: the organization is suspended, and the actor is a member.
        Unauthenticated: the member or operator was removed, or the call's session, token or invitation has ended.
        Forbidden: the member's role has been lowered.
    """
    if actor.is_operator and actor.credential is None:
        return
    if organization.suspended_at is not None and not actor.is_operator:
        raise Suspended(SUSPENDED)
    role = None
    if actor.credential is not None:
        role = credentials.role_of(transaction, actor.credential, context.clock(), locked=locked)
    if role is None:
        raise Unauthenticated("Your session or token has ended meanwhile, and nothing was changed. Sign in again.")
    if not role.covers(actor.role):
        raise Forbidden("Your role was changed meanwhile, and nothing else was. Try again.")


def check_trail(context: Context, organization: Organization, actor: Actor) -> None:
    """Check that the organization may write more to its audit trail today.

    Changes that revoke access skip this check, so that they work also after somebody has filled the trail.

    Raises:
        TooMany: the organization's changes have filled the day's share.
    """
    now = context.clock()
    written = trails.written_on(organization, now)
    if written < retention.MOST_A_DAY or actor.is_operator:
        return
    context.refusals["trail"] += 1
    midnight = datetime.combine(now.date() + timedelta(days=1), time.min, now.tzinfo)
    raise TooMany(
        "Your organization's changes filled {size} MB of its audit trail today, "
        "and that is the most. Changes are possible again from midnight (UTC).",
        retry_after=int((midnight - now).total_seconds()) + 1,
        size=retention.MOST_A_DAY // retention.MEGABYTE,
    )


def write_trail(context: Context, transaction: Connection, actor: Actor, note: Note) -> None:
    """Record a change in the audit trail if it has an entry, and mark its request as done.

    An operator's change on the pages is recorded in the log of operations, too, which does not name the organization.
    """
    if actor.request is not None:
        repeats.mark_done(transaction, actor.request, note.made)
    if note.detail is not None:
        now = context.clock()
        audit.record(transaction, actor.organization_id, actor.name, note.action, note.detail, now)
        if actor.account:
            operations.record(transaction, OperatorCommand(now, actor.account, note.action, {}))


def gone() -> NotFound:
    """Make the error for an organization that was removed."""
    return NotFound(GONE)
