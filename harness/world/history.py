"""A history of changes of one organization: what its admin did step by step, and what ought to pass after each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType

from scapy.layers.inet import ICMP, IP

from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay import truth
from harness.overlay.mesh import HANDSHAKE_DEADLINE, Machine, Rule
from harness.overlay.truth import PortProtocol, Prober
from harness.wire import raw
from harness.wire.witness import Marks, Witness
from harness.world.world import World
from netlab import LabHost, wait_until, wg_quick

_DEADLINE = 5.0
_LEAST = 32 + 28 + 12
"""Bytes of WireGuard that a ping with a mark takes at least."""


class Hosts:
    """Hosts of a lab that serve one machine after another; many histories would need more than the lab has room for."""

    def __init__(self, new_host: Callable[[str], LabHost]) -> None:
        self._new_host = new_host
        self._free: list[LabHost] = []
        self._lock = threading.Lock()

    def take(self, name: str) -> LabHost:
        """One without a tunnel."""
        del name
        with self._lock:
            return self._free.pop() if self._free else self._new_host("machine")

    def give_back(self, machine: Machine) -> None:
        """Takes the machine's tunnel down; its host is another's from now on."""
        machine.tunnel.down()
        with self._lock:
            self._free.append(machine.host)


class History:
    """Begins with a new organization, and ends with its deletion when ``with`` is left.

    A key that was taken away lives on in a host of its own, as a thief would have it.

    Attributes:
        machines: those that there are now, in the order in which they were added.
        steps: what was done so far, in words.
        cells, denied: how many questions were asked, and how many of them had to be denied.
    """

    def __init__(self, world: World, hosts: Hosts, record: Record, services: Sequence[PortProtocol]) -> None:
        self._hosts = hosts
        self._services = services
        self._mesh = world.organization(record, new_host=hosts.take)
        self._revoked: list[Machine] = []
        self._added = 0
        self.machines: list[Machine] = []
        self.steps: list[str] = []
        self.cells = self.denied = 0

    def __enter__(self) -> History:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for machine in (*self.machines, *self._revoked):
            self._hosts.give_back(machine)
        self._mesh.api.call("DELETE", "/organization", {"confirm": self._mesh.organization["name"]})

    def add(self, groups: Iterable[str] = ()) -> None:
        """One machine more."""
        self._added += 1
        name = f"machine-{self._added}"
        self._note(f"add {name} in {_listed(groups)}")
        self.machines.append(self._mesh.machine(name, sorted(groups)))

    def remove(self, machine: Machine) -> None:
        """A machine goes, and the rules that name it; whoever has its key keeps trying."""
        self._note(f"remove {machine.name}")
        self._mesh.api.call("DELETE", f"/machines/{machine.id}")
        self._mesh.forget_rules_about(machine)
        self.machines.remove(machine)
        self._revoked.append(machine)

    def rotate(self, machine: Machine) -> None:
        """A machine gets a new key; whoever has the old one keeps trying."""
        self._note(f"rotate the key of {machine.name}")
        answer = self._mesh.api.call("POST", f"/machines/{machine.id}/rotate", {}).body
        self._revoked.append(machine)
        self.machines[self.machines.index(machine)] = self._mesh.bring_up(machine.name, answer, machine.groups)

    def regroup(self, machine: Machine, groups: Iterable[str]) -> None:
        """A machine is in these groups from now on."""
        self._note(f"{machine.name} is in {_listed(groups)}")
        self._mesh.api.call("PATCH", f"/machines/{machine.id}", {"groups": sorted(groups)})
        self.machines[self.machines.index(machine)] = replace(machine, groups=tuple(sorted(groups)))

    def reconnect(self, machine: Machine) -> None:
        """A machine takes its tunnel down and brings it up again."""
        self._note(f"{machine.name} reconnects")
        machine.tunnel.down()
        tunnel = wg_quick(machine.host, machine.config, "mesh.conf")
        tunnel.wait_for_handshake(HANDSHAKE_DEADLINE)
        self.machines[self.machines.index(machine)] = replace(machine, tunnel=tunnel)

    def save(self, default: str, rules: Sequence[Rule]) -> None:
        """Another policy."""
        self._note(self._mesh.describe_policy(default, rules))
        self._mesh.save(default, rules)

    def check(self) -> None:
        """Every pair, protocol and port is what the policy says now, and keys that were taken away are dead.

        Raises:
            Refuted: not so; the message has the table and the steps that led there.
        """
        try:
            with Prober(self._mesh, self.machines, self._services) as prober:
                self.denied += truth.check(self._mesh, prober)
                self.cells += len(prober.cells())
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
                (f"the hub, with the key that {machine.name} had", stack.enter_context(Witness(machine.host)))
                for machine in self._revoked
            ]
            before = [_transmitted(thief) for thief in self._revoked]
            for number, thief in enumerate(self._revoked):
                targets = {self._mesh.hub_address, *(machine.address for machine in self.machines)} - {thief.address}
                raw.send(
                    thief.host,
                    thief.tunnel.interface,
                    [IP(src=thief.address, dst=each) / ICMP() / marks.mark(number) for each in sorted(targets)],
                )
                before[number] += len(targets) * _LEAST
            for thief, enough in zip(self._revoked, before, strict=True):
                _wait_until_transmitted(thief, enough)
            self._mesh.fence(*self.machines)
            reached = [name for name, witness in witnesses if witness.marks(marks)]
            reached += [
                name
                for name, witness in answers
                if any(raw.is_echo_reply(frame.data) and marks.within(frame.data) for frame in witness.frames())
            ]
        if reached:
            raise Refuted(f"a key that was taken away still reaches {', '.join(reached)}")

    def _note(self, step: str) -> None:
        self.steps.append(step)


def _transmitted(machine: Machine) -> int:
    return sum(peer.tx_bytes for peer in machine.tunnel.peers())


def _wait_until_transmitted(machine: Machine, enough: int) -> None:
    """A key that is not answered has no tunnel whose order could be relied on; its own WireGuard tells what it sent."""
    if not wait_until(lambda: _transmitted(machine) >= enough, _DEADLINE):
        raise Inconclusive(f"{machine.name} with its old key sent nothing for {_DEADLINE:.0f} s")


def _listed(groups: Iterable[str]) -> str:
    return ", ".join(sorted(groups)) or "no group"
