"""Machines with their WireGuard status, as the hub sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from appliance.hub.errors import HubError
from appliance.model.desired import PeerStatus
from appliance.model.organization import Machine
from appliance.model.sentences import Sentence
from appliance.service.actor import Actor
from appliance.service.context import Context, Statuses

ONLINE_SECONDS = 180
"""A peer that talks makes a new handshake every two minutes (WireGuard, section 6.1); three is silence."""


class MachineState(str, Enum):
    """State of a machine, from its settings and its last handshake."""

    ONLINE = "online"
    SILENT = "silent"
    NEVER_SEEN = "never-seen"
    DISABLED = "disabled"

    @property
    def words(self) -> Sentence:
        """Name for people."""
        return Sentence(self.value.replace("-", " "))


@dataclass(frozen=True)
class ObservedMachine:
    """A machine with its WireGuard status, which is None if the hub does not answer or has no such peer."""

    machine: Machine
    status: PeerStatus | None
    online: bool

    @property
    def state(self) -> MachineState:
        """State of the machine."""
        return state_of(self.machine.enabled, self.status, online=self.online, has_connected=self.machine.has_connected)


def state_of(enabled: bool, status: PeerStatus | None, *, online: bool, has_connected: bool) -> MachineState:
    """Work out a machine's state.

    Args:
        has_connected: true if the store knows that it connected; the hub's status does not outlast a start of the hub.
    """
    if not enabled:
        return MachineState.DISABLED
    if online:
        return MachineState.ONLINE
    was_seen = has_connected or (status is not None and status.last_handshake)
    return MachineState.SILENT if was_seen else MachineState.NEVER_SEEN


def is_online(status: PeerStatus | None, now: float) -> bool:
    """Tell whether a machine's last handshake is recent; ``now`` is in seconds since the epoch."""
    return status is not None and now - status.last_handshake < ONLINE_SECONDS


def statuses(context: Context, actor: Actor) -> Statuses:
    """Read the WireGuard status of the organization's machines, by public key; empty if the hub does not answer."""
    return context.statuses.get(actor.organization_id, lambda: _read(context, actor)).value


def observed(context: Context, actor: Actor, found: Sequence[Machine]) -> list[ObservedMachine]:
    """Add the WireGuard status to stored machines."""
    known, now = statuses(context, actor), context.clock().timestamp()
    return [
        ObservedMachine(machine, status, online=is_online(status, now))
        for machine in found
        for status in (known.get(machine.public_key),)
    ]


def _read(context: Context, actor: Actor) -> Statuses:
    try:
        return {status.public_key: status for status in context.hub.peers(actor.organization_id)}
    except HubError:
        # The store's part is worth showing also without the hub.
        return {}
