"""Typed calls from the web process to the hub's process, and their answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal

import msgspec

from appliance.model.desired import Desired
from appliance.model.difference import StateDifference
from appliance.model.ids import OPERATORS, ORGANIZATION_ID
from appliance.model.plural import counted, plural
from appliance.model.ports import FIRST_PORT, LAST_PORT
from appliance.model.probes import MOST_PROBES, Probe

_LONGEST = "longest_wait_seconds"

TIMEOUT_S = 60.0
"""Seconds for which a caller waits for an answer, unless the call goes through every organization."""

Kind = Literal["failed", "overtaken", "crowded", "too-large", "not-here"]

OrganizationId = Annotated[str, msgspec.Meta(pattern=rf"\A{ORGANIZATION_ID}\Z")]
CodeOwner = Annotated[str, msgspec.Meta(pattern=rf"\A(?:{ORGANIZATION_ID}|{OPERATORS})\Z")]
MemberId = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9]{1,32}\Z")]
MachineId = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9]{1,32}\Z")]
Revision = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
InnerPort = Annotated[int, msgspec.Meta(ge=FIRST_PORT, le=LAST_PORT)]


class CreateKeys(msgspec.Struct, frozen=True, tag=True):
    """Generate a hub key pair for a new organization; answered with `SealedKeys`."""

    organization: OrganizationId


class CreateCodeSecret(msgspec.Struct, frozen=True, tag=True):
    """Generate a secret for one-time codes of a member or an operator; answered with `CodeSecret`.

    Attributes:
        organization: the member's; `OPERATORS` for an operator.
    """

    organization: CodeOwner
    member: MemberId


class MatchCode(msgspec.Struct, frozen=True, tag=True):
    """Find the time step of a one-time code around a time; answered with its number, or None.

    Attributes:
        organization: the member's; `OPERATORS` for an operator.
    """

    organization: CodeOwner
    member: MemberId
    sealed: Annotated[bytes, msgspec.Meta(max_length=1024)]
    code: Annotated[str, msgspec.Meta(max_length=64)]
    at: Annotated[float, msgspec.Meta(ge=0, le=2**40)]

    def __repr__(self) -> str:
        return "MatchCode()"


class FreePorts(msgspec.Struct, frozen=True, tag=True):
    """Find the first free UDP ports of these on the host; answered with a list of them."""

    candidates: Annotated[tuple[InnerPort, ...], msgspec.Meta(max_length=256)]
    most: Annotated[int, msgspec.Meta(ge=1, le=256)]


class Apply(msgspec.Struct, frozen=True, tag=True):
    """Enforce a state; answered when it is in force.

    Attributes:
        desired: desired state of the organization; None: no part of it, because it is suspended.
        base: revision of the store that the state was computed from.
        revision: revision of the store after the caller's commit; ``base`` if the store has the state already.
    """

    organization: OrganizationId
    desired: Desired | None
    base: Revision
    revision: Revision


class Amend(msgspec.Struct, frozen=True, tag=True):
    """Apply a difference to the state at the revision ``base``; answered with True, or False if the hub lacks that.

    Attributes:
        base: revision of the store that the state was computed from.
        revision: revision of the store after the caller's commit; ``base`` if the store has the state already.
    """

    organization: OrganizationId
    difference: StateDifference
    base: Revision
    revision: Revision


class Withdraw(msgspec.Struct, frozen=True, tag=True):
    """Restore the state before this revision was applied, because it was not committed."""

    organization: OrganizationId
    revision: Revision


class Confirm(msgspec.Struct, frozen=True, tag=True):
    """Make the data plane have this committed revision."""

    organization: OrganizationId
    revision: Revision


class Remove(msgspec.Struct, frozen=True, tag=True):
    """Remove everything of an organization that is deleted, or about to be, from the host."""

    organization: OrganizationId


class Peers(msgspec.Struct, frozen=True, tag=True):
    """Read the status of an organization's machines; answered with a list of `PeerStatus`."""

    organization: OrganizationId


class Ping(msgspec.Struct, frozen=True, tag=True):
    """Ping one of the organization's machines; answered with milliseconds, or None if it did not reply in time."""

    organization: OrganizationId
    machine: MachineId


class Measure(msgspec.Struct, frozen=True, tag=True):
    """Measure which probes the organization's rules forward; answered with a list of bool in their order."""

    organization: OrganizationId
    probes: Annotated[tuple[Probe, ...], msgspec.Meta(max_length=MOST_PROBES)]


class Counters(msgspec.Struct, frozen=True, tag=True):
    """Read the counter of each rule of an organization; answered with a list of `RuleCount`."""

    organization: OrganizationId


class Census(msgspec.Struct, frozen=True, tag=True):
    """Read the objects on the host; answered with a list of `HostObjects`."""


class Status(msgspec.Struct, frozen=True, tag=True):
    """Read the state of the hub; answered with `HubStatus`."""


class TearDown(msgspec.Struct, frozen=True, tag=True):
    """Remove everything of this instance from the host, as the service is being uninstalled."""


class RotateSecret(msgspec.Struct, frozen=True, tag=True):
    """Seal every key for another unlock secret; answered when that one opens the store."""

    present: Annotated[str, msgspec.Meta(max_length=4096)]
    new: Annotated[str, msgspec.Meta(max_length=4096)]

    def __repr__(self) -> str:
        return "RotateSecret()"


Call = (
    CreateKeys
    | CreateCodeSecret
    | MatchCode
    | FreePorts
    | Apply
    | Amend
    | Withdraw
    | Confirm
    | Remove
    | Peers
    | Ping
    | Measure
    | Counters
    | Census
    | Status
    | TearDown
    | RotateSecret
)

RESERVED = (TearDown, RotateSecret)
"""Calls that are reserved for the hub's own user, because the web process faces the internet."""


class TimedCall(msgspec.Struct, frozen=True):
    """A call on its way.

    Attributes:
        patience_s: seconds that its caller waits for the answer.
        shard: id of the shard whose hub is meant; None: whichever takes the call.
    """

    call: Call
    patience_s: Annotated[float, msgspec.Meta(ge=0.0, le=3600.0)]
    shard: str | None = None


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The call failed.

    Attributes:
        kind: kind of error that the caller may handle apart.
        retry_after: seconds until another try makes sense; for the kind "crowded".
    """

    reason: str
    kind: Kind = "failed"
    retry_after: int = 0


class Done(msgspec.Struct, frozen=True, tag=True):
    """The call succeeded; ``answer`` is its encoded result."""

    answer: msgspec.Raw = msgspec.Raw(b"\xc0")


@dataclass(frozen=True)
class ShardStatus:
    """A shard of many hubs as it is now.

    Attributes:
        endpoint: its public address and port.
        host: name of the host whose hub owns it; None if no owner answers, which leaves the rest empty.
        token: number of this time of ownership; greater for each later owner.
        owned_s: seconds since this process of the owner took the shard.
        lease_age_s: seconds since the owner last renewed its lease.
        shut_out: packets that found the front door shut by the lease's gate.
        refused: connections of other hosts that the owner refused, by reason (`cluster.relay.Listener`).
        prepared: name of the host that is prepared to take the shard; None if none is.
    """

    endpoint: str
    host: str | None
    token: int = 0
    owned_s: float = 0.0
    lease_age_s: float = 0.0
    shut_out: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    prepared: str | None = None

    @property
    def is_prepared(self) -> bool:
        """True if a host is prepared to take the shard."""
        return self.prepared is not None


@dataclass(frozen=True)
class HubStatus:
    """The hub as it is now.

    Attributes:
        wireguard, version: WireGuard implementation and its version.
        enforcing: number of organizations whose desired state is in force.
        expected: number of organizations that the store says to enforce.
        restored: True when every stored organization was tried after the start.
        public_port: UDP port of all organizations.
        door: numbers of packets to that port by outcome, without packets of sessions (`front_door.DoorCounters`).
        door_entries: number of elements of each of the front door's memories, by name.
        door_room: largest number of elements of each.
        repairs: number of repairs since the start, by kind of damage (`findings.DamagedPart`).
        tracking: numbers of tracked connections and reached bounds (`ConnectionWatch.figures`).
        machine_calls: calls to machines after damage to the front door, by outcome (`MachineCalls.figures`).
        pings: pings of machines since the start, by outcome (`Pings.figures`).
        measurements: measurements of rules since the start, by outcome (`Measurements.figures`).
        work: processor time and waiting of changes since the start (`ChangeScheduler.figures`).
        used, room: what all organizations share of the host, and how much there is (`host.resources`).
        shards: of many hubs; empty where there is one hub.
        unanswered: calls of the asking process that no hub answered, by reason; empty where there is one hub.
    """

    wireguard: str
    version: str
    enforcing: int
    expected: int
    restored: bool = True
    repairs: dict[str, int] = field(default_factory=dict)
    public_port: int = 0
    door: dict[str, int] = field(default_factory=dict)
    door_entries: dict[str, int] = field(default_factory=dict)
    door_room: dict[str, int] = field(default_factory=dict)
    work: dict[str, float] = field(default_factory=dict)
    tracking: dict[str, int] = field(default_factory=dict)
    machine_calls: dict[str, int] = field(default_factory=dict)
    pings: dict[str, int] = field(default_factory=dict)
    measurements: dict[str, int] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    room: dict[str, int] = field(default_factory=dict)
    shards: tuple[ShardStatus, ...] = ()
    unanswered: dict[str, int] = field(default_factory=dict)

    @property
    def lost(self) -> tuple[str, ...]:
        """Endpoints of the shards whose owner does not answer."""
        return tuple(each.endpoint for each in self.shards if each.host is None)

    @property
    def progress(self) -> str:
        """Sentence on how many organizations are enforced."""
        expected = counted(self.expected, "organization")
        return f"{self.enforcing} of {expected} {plural(self.expected, 'is', 'are')} enforced."


_FIGURES = tuple(each.name for each in fields(HubStatus) if each.default_factory is dict)
"""Attributes that are numbers by name."""


def together(hubs: Sequence[HubStatus]) -> HubStatus:
    """Add up several hubs, at least one.

    Implementation and port are the first one's, the longest wait that of all, and of the resources that they share each
    is that of the host with the least left.
    """
    first = hubs[0]
    figures: dict[str, Any] = {name: _sum([getattr(each, name) for each in hubs]) for name in _FIGURES}
    if first.work:
        figures["work"][_LONGEST] = max(each.work.get(_LONGEST, 0.0) for each in hubs)
    for name in first.room:
        fullest = max(
            (each for each in hubs if each.room.get(name)), key=lambda each: each.used[name] / each.room[name]
        )
        figures["used"][name], figures["room"][name] = fullest.used[name], fullest.room[name]
    return HubStatus(
        first.wireguard,
        first.version,
        enforcing=sum(each.enforcing for each in hubs),
        expected=sum(each.expected for each in hubs),
        restored=all(each.restored for each in hubs),
        public_port=first.public_port,
        shards=tuple(shard for each in hubs for shard in each.shards),
        **figures,
    )


def _sum(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    total = dict[str, float]()
    for each in figures:
        for name, value in each.items():
            total[name] = total[name] + value if name in total else value
    return total
