"""History of one organization: changes by its admin, and a check of all traffic after each."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType

from scapy.layers.inet import ICMP, IP

from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay.mesh import HANDSHAKE_DEADLINE, Machine, Rule
from harness.overlay.tables import Tables
from harness.overlay.truth import PortProtocol
from harness.wire import raw
from harness.wire.witness import Marks, Witness
from harness.world.world import World
from netlab import LabHost, wait_until, wg_quick

_DEADLINE = 5.0
_PARTS = 8
"""Checks that have all IP protocols and types of ICMP between them."""
_LEAST = 32 + 28 + 12
"""Smallest size in WireGuard of a ping with a mark: overhead of a data packet, IP and ICMP headers, mark; bytes."""


class HostPool:
    """Hosts of a lab that are used for one machine after another, since the lab has room for a limited number.

    Args:
        new_host: makes a host, given a name.
    """

    def __init__(self, new_host: Callable[[str], LabHost]) -> None:
        self._new_host = new_host
        self._free: list[LabHost] = []
        self._lock = threading.Lock()

    def take(self, name: str) -> LabHost:
        """Returns a host without a tunnel."""
        del name
        with self._lock:
            return self._free.pop() if self._free else self._new_host("machine")

    def release(self, machine: Machine) -> None:
        """Takes a machine's tunnel down, and puts its host back into the pool."""
        machine.tunnel.down()
        with self._lock:
            self._free.append(machine.host)


class History:
    """A new organization and its changes. Leaving ``with`` deletes it.

    A removed or rotated key stays in use on a host of its own, as if somebody had stolen it.

    Args:
        world: lab with the hub.
        hosts: hosts for the machines.
        record: takes the figures.
        services: protocols and ports to check between all machines, beside others that are drawn.

    Attributes:
        machines: current machines, in the order of their addition.
        steps: changes so far, in words.
        allowed: number of probes that had to arrive.
        denied: number of probes that the policy denied.
    """

    def __init__(self, world: World, hosts: HostPool, record: Record, services: Sequence[PortProtocol]) -> None:
        self._hosts = hosts
        self._mesh = world.organization(record, new_host=hosts.take)
        chance = random.Random(f"tables {world.seed}")  # noqa: S311 - a choice, no secret
        self._tables = Tables(self._mesh, services, chance, _PARTS)
        self._revoked: list[Machine] = []
        self._added = 0
        self.machines: list[Machine] = []
        self.steps: list[str] = []
        self.allowed = self.denied = 0

    def __enter__(self) -> History:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for machine in (*self.machines, *self._revoked):
            self._hosts.release(machine)
        self._mesh.api.call("DELETE", "/organization", {"confirm": self._mesh.organization["name"]})

    def add(self, groups: Iterable[str] = ()) -> None:
        """Adds a machine."""
        self._added += 1
        name = f"machine-{self._added}"
        self.steps.append(f"add {name} in {_listed(groups)}")
        self.machines.append(self._mesh.machine(name, sorted(groups)))

    def remove(self, machine: Machine) -> None:
        """Removes a machine, and the rules that name it."""
        self.steps.append(f"remove {machine.name}")
        self._mesh.api.call("DELETE", f"/machines/{machine.id}")
        self._mesh.forget_rules_about(machine)
        self.machines.remove(machine)
        self._revoked.append(machine)

    def rotate(self, machine: Machine) -> None:
        """Rotates the key of a machine."""
        self.steps.append(f"rotate the key of {machine.name}")
        answer = self._mesh.api.call("POST", f"/machines/{machine.id}/rotate", {}).body
        self._revoked.append(machine)
        self.machines[self.machines.index(machine)] = self._mesh.bring_up(machine.name, answer, machine.groups)

    def regroup(self, machine: Machine, groups: Iterable[str]) -> None:
        """Replaces the groups of a machine."""
        self.steps.append(f"{machine.name} is in {_listed(groups)}")
        self._mesh.api.call("PATCH", f"/machines/{machine.id}", {"groups": sorted(groups)})
        self.machines[self.machines.index(machine)] = replace(machine, groups=tuple(sorted(groups)))

    def reconnect(self, machine: Machine) -> None:
        """Takes a machine's tunnel down and up again."""
        self.steps.append(f"{machine.name} reconnects")
        machine.tunnel.down()
        tunnel = wg_quick(machine.host, machine.config, "mesh.conf")
        tunnel.wait_for_handshake(HANDSHAKE_DEADLINE)
        self.machines[self.machines.index(machine)] = replace(machine, tunnel=tunnel)

    def save(self, default: str, rules: Sequence[Rule]) -> None:
        """Saves a policy."""
        self.steps.append(self._mesh.describe_policy(default, rules))
        self._mesh.save(default, rules)

    def check(self) -> None:
        """Checks that all traffic is as the policy says, and that removed and rotated keys reach nothing.

        Raises:
            Refuted: not so; the message has the table and the steps so far.
        """
        try:
            counted = self._tables.check(self.machines)
            self.allowed += counted.allowed
            self.denied += counted.denied
            self._check_revoked()
        except Refuted as refuted:
            raise Refuted(f"{refuted}\nafter: {'; then '.join(self.steps) or 'nothing'}") from refuted

    def _check_revoked(self) -> None:
        if not self._revoked:
            return
        marks = Marks()
        with ExitStack() as stack:
            witnesses = [
                (machine.name, stack.enter_context(Witness(machine.host, machine.tunnel.interface)))
                for machine in self.machines
            ]
            answers = [
                (f"the hub, with the old key of {machine.name}", stack.enter_context(Witness(machine.host)))
                for machine in self._revoked
            ]
            expected = [_transmitted(thief) for thief in self._revoked]
            for number, thief in enumerate(self._revoked):
                others = {self._mesh.hub_address, *(each.address for each in self.machines)} - {thief.address}
                raw.send(
                    thief.host,
                    thief.tunnel.interface,
                    [IP(src=thief.address, dst=each) / ICMP() / marks.mark(number) for each in sorted(others)],
                )
                expected[number] += len(others) * _LEAST
            for thief, enough in zip(self._revoked, expected, strict=True):
                _wait_until_transmitted(thief, enough)
            self._mesh.fence(*self.machines)
            reached = [name for name, witness in witnesses if witness.marks(marks)]
            reached += [
                name
                for name, witness in answers
                if any(raw.is_echo_reply(frame.data) and marks.within(frame.data) for frame in witness.frames())
            ]
        if reached:
            raise Refuted(f"a removed or rotated key still reaches {', '.join(reached)}")


def _transmitted(machine: Machine) -> int:
    return sum(peer.tx_bytes for peer in machine.tunnel.peers())


def _wait_until_transmitted(machine: Machine, enough: int) -> None:
    """Waits until a machine's own WireGuard counts ``enough`` sent bytes, since a revoked key gets no answer."""
    if not wait_until(lambda: _transmitted(machine) >= enough, _DEADLINE):
        raise Inconclusive(f"{machine.name} with its old key sent nothing for {_DEADLINE:.0f} s")


def _listed(groups: Iterable[str]) -> str:
    return ", ".join(sorted(groups)) or "no group"
