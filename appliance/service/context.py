"""Context of every use case: the store, the data plane, and the settings of the service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Protocol

from appliance.host import clocks
from appliance.model.desired import Desired, PeerStatus, RuleCount
from appliance.model.organization import Organization
from appliance.model.probes import Probe
from appliance.model.retention import Retention
from appliance.model.sign_up import SignUpMode
from appliance.service.count_baselines import Baselines
from appliance.service.letter_turns import LetterTurns
from appliance.service.queues import Queues
from appliance.service.readings import Readings
from appliance.service.room import Room
from appliance.service.states import States
from appliance.service.trends import Trends
from appliance.service.underway import Underway
from appliance.store import Store, shards, times
from appliance.store.shards import Fence
from appliance.vault import CodeSecret, SealedKeys

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
        endpoint: ``HOST:PORT`` of the one hub in machines' configurations; organizations of a shard have the shard's.
        site: base URL of the pages, without a slash at its end; links in letters begin with it.
        sends_mail: False without a relay; the operator hands out links then.
        sign_up: who may sign up.
        unused_after: unused organizations (`unused`) are removed after this time; None: never.
        clock: returns the current time in UTC.
        steady: seconds since the boot, by a clock that can't be set.
        removal_clock: `clock` for what is removed for good when it is old enough (`Unhurried`); None: `clock` itself.
        states: desired states of recently changed organizations.
        counts: recent packet counts by rule.
        trends: earlier packet counts by rule.
        baselines: packet counts by rule at the last full hour.
        statuses: recent WireGuard status by public key.
        queues: changes of one organization wait for each other here.
        retention: how much of each audit trail is kept.
        refusals: number of changes that were refused because of a bound, by the bound's name.
        letter_turns: whose letter is sent next.
        underway: keyed requests that this process works on.
        shard_endpoints: ``HOST:PORT`` of shards by id, as far as they were asked for.
    """

    store: Store
    hub: HubPort
    endpoint: str
    site: str = "https://localhost:8443"
    sends_mail: bool = False
    sign_up: SignUpMode = SignUpMode.OPEN
    unused_after: timedelta | None = None
    clock: Callable[[], datetime] = times.now
    steady: Callable[[], float] = clocks.boottime
    removal_clock: Callable[[], datetime] | None = None
    states: States = field(default_factory=States)
    counts: Readings[Counts] = field(default_factory=lambda: Readings(len))
    trends: Trends = field(default_factory=Trends)
    baselines: Baselines = field(default_factory=Baselines)
    statuses: Readings[Statuses] = field(default_factory=lambda: Readings(len))
    queues: Queues = field(default_factory=Queues)
    retention: Retention = Retention()
    refusals: Counter[str] = field(default_factory=Counter)
    letter_turns: LetterTurns = field(default_factory=LetterTurns)
    underway: Underway = field(default_factory=Underway)
    shard_endpoints: dict[str, str] = field(default_factory=dict)

    @cached_property
    def room(self) -> Room:
        """Room on the store's disk."""
        return Room(self.store, self.refusals)

    def removal_time(self) -> datetime:
        """The time by which a thing is old enough to be removed for good, in UTC."""
        return (self.removal_clock or self.clock)()

    def endpoint_of(self, organization: Organization) -> str:
        """``HOST:PORT`` that an organization's configurations name: its shard's, or the one hub's."""
        if organization.shard is None:
            return self.endpoint
        if organization.shard not in self.shard_endpoints:
            with self.store.read() as transaction:
                found = shards.find_all(transaction)
            # A shard's address never changes.
            self.shard_endpoints.update({each.id: each.endpoint for each in found})
        return self.shard_endpoints[organization.shard]
