"""Map of an organization: its parties, the states of their machines, and what the policy decided about lately."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from appliance.model.matrix import Party, parties_of
from appliance.model.policy import Policy
from appliance.model.verdict import ConnectionEnd
from appliance.service import policy as policies
from appliance.service.actor import Actor
from appliance.service.context import Context, Counts
from appliance.service.observed import MachineState, is_online, state_of, statuses
from appliance.service.trends import Trend
from appliance.store import machines


@dataclass(frozen=True)
class Observation:
    """Facts of which an organization's map is made.

    Attributes:
        parties: of its enabled machines, as in the matrix of the policy.
        states: by machine id; of enabled machines.
        counts: packets so far by rule id, the default's by None; empty if the hub does not answer.
        trend: what is new since an earlier look; None if it is unknown.
    """

    policy: Policy
    parties: tuple[Party, ...]
    states: Mapping[str, MachineState]
    counts: Counts
    trend: Trend | None

    @property
    def recent(self) -> Mapping[str | None, int]:
        """Packets by rule id since the earlier look; since each rule was made if there is none."""
        if self.trend is not None:
            return self.trend.packets
        return {rule: count.packets for rule, count in self.counts.items()}


def look(context: Context, actor: Actor) -> Observation:
    """Observe the organization.

    Raises:
        NotFound: the organization is gone.
    """
    _, state = policies.enforced(context, actor)
    known, now = statuses(context, actor), context.clock().timestamp()
    counts, trend = policies.counters_and_trend(context, actor)
    heard = {key for key, status in known.items() if status.last_handshake}
    if not all(peer.public_key in heard for peer in state.peers):
        # The hub's status does not outlast a start of the hub. A page asks every few seconds, about all machines.
        with context.store.read() as transaction:
            heard |= machines.connected(transaction, actor.organization_id)
    states = {}
    for peer in state.peers:
        status = known.get(peer.public_key)
        has_connected = peer.public_key in heard
        states[peer.id] = state_of(True, status, online=is_online(status, now), has_connected=has_connected)
    ends = [ConnectionEnd(peer.id, peer.groups) for peer in state.peers]
    return Observation(state.policy, parties_of(state.policy, ends), states, counts, trend)
