"""Fake of the hub, which stores desired states and can refuse calls."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection

from appliance.hub.errors import Crowded, HubError, RulesTooLarge
from appliance.hub.rpc.messages import HubStatus
from appliance.model.desired import Desired, PeerStatus, RuleCount
from appliance.model.ids import OPERATORS
from appliance.model.policy import Action
from appliance.model.probes import Probe
from appliance.model.verdict import ConnectionEnd, decide
from appliance.store import Store
from appliance.store.shards import Fence
from appliance.vault import CodeSecret, SealedKeys, Vault, codes

_write = Store.write
_writers = threading.local()


@contextmanager
def noted_write(store: Store) -> Iterator[Connection]:
    """Runs `Store.write` so that `is_writing` knows of it."""
    with _write(store) as transaction:
        _writers.is_one = True
        try:
            yield transaction
        finally:
            _writers.is_one = False


def is_writing() -> bool:
    """Tells if this thread is in a write transaction."""
    return getattr(_writers, "is_one", False)


@dataclass
class FakeHub:
    """Implementation of `service.context.HubPort`.

    Attributes:
        enforced: applied states by organization.
        applications: number of applied changes.
        refuses: true to make every call fail.
        statuses: answer to questions about peers.
        counts: answer to questions about rules.
        milliseconds: time until machines reply to pings; None if they don't.
        is_pinging: true to refuse pings since another one is running.
        is_measuring: true to refuse measurements since another one is running.
        has_large_rules: true to refuse measurements since the rules are too large.
        is_damaged: true to forward what is denied and to drop what is allowed.
        writes_for: owner of a shard that the hub is.
    """

    enforced: dict[str, Desired] = field(default_factory=dict)
    applications: int = 0
    refuses: bool = False
    statuses: list[PeerStatus] = field(default_factory=list)
    counts: list[RuleCount] = field(default_factory=list)
    milliseconds: float | None = 12.34
    is_pinging: bool = False
    is_measuring: bool = False
    has_large_rules: bool = False
    is_damaged: bool = False
    writes_for: Fence | None = None
    _before: tuple[str, int, Desired | None] = ("", 0, None)
    _operators_key: bytes | None = None
    _vault: Vault = field(default_factory=lambda: Vault(b"k" * 32))

    def create_keys(self, organization: str) -> SealedKeys:
        self._check()
        return self._vault.new_organization_keys(organization)

    def create_code_secret(self, organization: str, member: str) -> CodeSecret:
        self._check()
        return codes.make(self._vault, organization, self._data_key(organization), member)

    def match_code(self, organization: str, member: str, sealed: bytes, code: str, at: float) -> int | None:
        self._check()
        return codes.matching_step(self._vault, organization, self._data_key(organization), member, sealed, code, at)

    def _data_key(self, organization: str) -> bytes:
        if organization == OPERATORS:
            if self._operators_key is None:
                self._operators_key = self._vault.new_data_key(OPERATORS)[1]
            return self._operators_key
        return self.enforced[organization].sealed_data_key

    def free_ports(self, candidates: Sequence[int], most: int) -> Sequence[int]:
        self._check()
        return candidates[:most]

    def apply(
        self, organization: str, desired: Desired | None, *, base: int, revision: int, before: Desired | None = None
    ) -> None:
        del base, before
        self._check()
        self._before = organization, revision, self.enforced.get(organization)
        self._put(organization, desired)
        self.applications += 1

    def fence(self, organization: str) -> Fence | None:
        del organization
        return self.writes_for

    def withdraw(self, organization: str, revision: int) -> None:
        self._check()
        assert self._before[:2] == (organization, revision), "a change that was not applied is withdrawn"
        self._put(organization, self._before[2])

    def confirm(self, organization: str, revision: int) -> None:
        self._check()
        assert self._before[:2] == (organization, revision), "a change that was not applied is confirmed"

    def _put(self, organization: str, desired: Desired | None) -> None:
        if desired is None:
            self.enforced.pop(organization, None)
        else:
            self.enforced[organization] = desired

    def remove(self, organization: str) -> None:
        self._check()
        self.enforced.pop(organization, None)

    def peers(self, organization: str) -> Sequence[PeerStatus]:
        del organization
        self._check()
        return self.statuses

    def ping(self, organization: str, machine: str) -> float | None:
        self._check()
        assert machine in {each.id for each in self.enforced[organization].peers}
        if self.is_pinging:
            raise Crowded("A ping of your organization is running. Try again in 2 seconds.", retry_after=2)
        return self.milliseconds

    def measure(self, organization: str, probes: Sequence[Probe]) -> Sequence[bool]:
        self._check()
        if self.is_measuring:
            raise Crowded("A measurement of your organization is running. Try again in 5 seconds.", retry_after=5)
        if self.has_large_rules:
            raise RulesTooLarge("the rules are too large to be copied")
        state = self.enforced[organization]
        ends = {peer.id: ConnectionEnd(peer.id, peer.groups) for peer in state.peers}
        passing = [
            decide(state.policy, ends[each.source], ends[each.destination], each.protocol, each.port or None).action
            is Action.ALLOW
            for each in probes
        ]
        return [not each for each in passing] if self.is_damaged else passing

    def counters(self, organization: str) -> Sequence[RuleCount]:
        del organization
        self._check()
        return self.counts

    def status(self) -> HubStatus:
        return HubStatus("fake", "1", len(self.enforced), len(self.enforced))

    def _check(self) -> None:
        assert not is_writing(), "the hub is called during a write transaction"
        if self.refuses:
            raise HubError("told to refuse")
