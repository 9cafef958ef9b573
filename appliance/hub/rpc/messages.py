"""What the web process and the hub's process say to each other: typed calls and answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec

from appliance.model.desired import Desired
from appliance.model.difference import StateDifference
from appliance.model.ids import ORGANIZATION_ID
from appliance.model.ports import FIRST_PORT, LAST_PORT

Kind = Literal["failed", "overtaken", "crowded"]

OrganizationId = Annotated[str, msgspec.Meta(pattern=rf"\A{ORGANIZATION_ID}\Z")]
MemberId = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9]{1,32}\Z")]
Revision = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
InnerPort = Annotated[int, msgspec.Meta(ge=FIRST_PORT, le=LAST_PORT)]


class CreateKeys(msgspec.Struct, frozen=True, tag=True):
    """A hub key pair for a new organization; answered with `SealedKeys`."""

    organization: OrganizationId


class CreateCodeSecret(msgspec.Struct, frozen=True, tag=True):
    """A secret for one-time codes of a member; answered with `CodeSecret`."""

    organization: OrganizationId
    member: MemberId


class MatchCode(msgspec.Struct, frozen=True, tag=True):
    """The step that a member's one-time code is of, about this time; answered with its number, or None."""

    organization: OrganizationId
    member: MemberId
    sealed: Annotated[bytes, msgspec.Meta(max_length=1024)]
    code: Annotated[str, msgspec.Meta(max_length=64)]
    at: Annotated[float, msgspec.Meta(ge=0, le=2**40)]

    def __repr__(self) -> str:
        return "MatchCode()"


class FreePorts(msgspec.Struct, frozen=True, tag=True):
    """The first of these UDP ports that nothing on the host has; answered with a list of them."""

    candidates: Annotated[tuple[InnerPort, ...], msgspec.Meta(max_length=256)]
    most: Annotated[int, msgspec.Meta(ge=1, le=256)]


class Apply(msgspec.Struct, frozen=True, tag=True):
    """Enforce this; answered when it is enforced.

    Attributes:
        desired: what there should be of the organization; None: nothing, as it is suspended.
        base: the revision of the store that this was worked out from.
        revision: what the store's revision becomes when the caller has the answer; ``base`` if the store has it
            already.
    """

    organization: OrganizationId
    desired: Desired | None
    base: Revision
    revision: Revision


class Amend(msgspec.Struct, frozen=True, tag=True):
    """Apply what this makes of the state at the revision ``base``; answered with whether the hub has that state.

    Attributes:
        base, revision: as of `Apply`.
    """

    organization: OrganizationId
    difference: StateDifference
    base: Revision
    revision: Revision


class Withdraw(msgspec.Struct, frozen=True, tag=True):
    """Put back what was before this revision was applied: the store does not have it, and will not."""

    organization: OrganizationId
    revision: Revision


class Confirm(msgspec.Struct, frozen=True, tag=True):
    """The store has this revision: see to it that the data plane has, too."""

    organization: OrganizationId
    revision: Revision


class Remove(msgspec.Struct, frozen=True, tag=True):
    """Leave nothing on the host of an organization that the store has no more, or is about to have no more."""

    organization: OrganizationId


class Peers(msgspec.Struct, frozen=True, tag=True):
    """What WireGuard knows of an organization's machines; answered with a list of `PeerStatus`."""

    organization: OrganizationId


class Counters(msgspec.Struct, frozen=True, tag=True):
    """What the kernel counted for each rule of an organization; answered with a list of `RuleCount`."""

    organization: OrganizationId


class Census(msgspec.Struct, frozen=True, tag=True):
    """What exists on the host; answered with a list of `Footprint`."""


class Status(msgspec.Struct, frozen=True, tag=True):
    """How the hub is; answered with `HubStatus`."""


class TearDown(msgspec.Struct, frozen=True, tag=True):
    """Leave nothing of this instance on the host: the service ends here."""


class RotateSecret(msgspec.Struct, frozen=True, tag=True):
    """Seal every key anew, so that another unlock secret opens the store; answered when it does."""

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
    | Counters
    | Census
    | Status
    | TearDown
    | RotateSecret
)

RESERVED = (TearDown, RotateSecret)
"""Calls that the hub's own user may make, and not the web process, which faces the internet."""


class Request(msgspec.Struct, frozen=True):
    """A call, and for how many seconds its caller waits for the answer."""

    call: Call
    patience_s: Annotated[float, msgspec.Meta(ge=0.0, le=3600.0)]


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The call did not succeed, for this reason.

    Attributes:
        kind: what the caller may have to tell apart.
        retry_after: seconds until another try makes sense; of the kind "crowded".
    """

    reason: str
    kind: Kind = "failed"
    retry_after: int = 0


class Done(msgspec.Struct, frozen=True, tag=True):
    """The call succeeded; ``answer`` is what it promised, encoded."""

    answer: msgspec.Raw = msgspec.Raw(b"\xc0")


@dataclass(frozen=True)
class HubStatus:
    """The hub as it is now.

    Attributes:
        wireguard: the implementation and its version.
        enforcing: organizations whose desired state is in force.
        expected: organizations that the store has.
        restored: whether the start is over: everything was tried that the store has.
        public_port: the UDP port of all organizations.
        door: what became of packets to it that are not simply a session's (`front_door.DoorCounters`).
        door_entries: how many elements each of its memories has, by name.
        door_room: how many each can have.
        repairs: how often damage was mended since the start, by what was damaged (`findings.Part`).
        tracking: how many connections are tracked, and who is at a bound (`Warden.figures`).
        machine_calls: calls to machines after damage to the front door, by outcome (`MachineCalls.figures`).
        work: what changes took and how they waited since the start (`Turns.figures`).
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
