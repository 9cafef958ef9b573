"""History of one organization: changes by its admin and the operator, and a check of all traffic after each."""

from __future__ import annotations

import random
import secrets
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from types import TracebackType

from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay.machine import Machine
from harness.overlay.mesh import HANDSHAKE_DEADLINE, Rule
from harness.overlay.silence import Attempt, check_silence
from harness.overlay.tables import Tables
from harness.overlay.truth import PortProtocol
from harness.world import shown
from harness.world.forgetting import Forgetting
from harness.world.person import Person
from harness.world.suspension import Suspension
from harness.world.world import World
from netlab import LabHost, NothingArrived, wg_quick

_PARTS = 8
"""Checks that have all IP protocols and types of ICMP between them."""
_SILENCE_S = 0.5


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

    A removed or rotated key stays in use on a host of its own, as if somebody had stolen it. So does a machine that is
    disabled, and so do all of them while the organization is suspended.

    Args:
        world: lab with the hub.
        hosts: hosts for the machines.
        record: takes the figures.
        services: protocols and ports to check between all machines, beside others that are drawn.

    Attributes:
        machines: current machines that are not disabled, in the order of their addition.
        disabled: machines that are disabled.
        was_suspended: True once the organization was suspended.
        steps: changes so far, in words.
        allowed: number of probes that had to arrive.
        denied: number of probes that the policy denied.
        silenced: number of pings by or to what was out of service.
    """

    def __init__(self, world: World, hosts: HostPool, record: Record, services: Sequence[PortProtocol]) -> None:
        self._hosts = hosts
        email = f"{secrets.token_hex(6)}@example.net"
        self._mesh = world.organization(record, email=email, new_host=hosts.take)
        self._suspension = Suspension(world.subject, Person(self._mesh.api, email), self._mesh.organization["id"])
        self._forgetting = Forgetting(world.subject, self._mesh.organization["id"])
        chance = random.Random(f"tables {world.seed}")  # noqa: S311 - a choice, no secret
        self._tables = Tables(self._mesh, services, chance, _PARTS)
        self._revoked: list[Machine] = []
        self._removed_addresses: set[str] = set()
        self._added = 0
        self._acts: list[str] = []
        self.machines: list[Machine] = []
        self.disabled: list[Machine] = []
        self.was_suspended = False
        self.steps: list[str] = []
        self.allowed = self.denied = self.silenced = 0

    def __enter__(self) -> History:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for machine in (*self.machines, *self.disabled, *self._revoked):
            self._hosts.release(machine)
        # Nobody can delete a suspended organization. It has nothing on the host.
        if not self.is_suspended:
            self._mesh.api.call("DELETE", "/organization", {"confirm": self._mesh.organization["name"]})

    @property
    def is_suspended(self) -> bool:
        """True while the organization is suspended."""
        return self._suspension.is_on

    @property
    def can_be_suspended(self) -> bool:
        """False if nobody here can give the operator's commands."""
        return self._suspension.is_possible

    @property
    def forgotten(self) -> int:
        """Number of tracked connections that ended with their machine, its key or its enabling."""
        return self._forgetting.ended

    def add(self, groups: Iterable[str] = ()) -> None:
        """Adds a machine.

        Raises:
            Refuted: it has the address of a machine that was removed, which has to stay unused for a while.
        """
        self._added += 1
        name = f"machine-{self._added}"
        self._note(f"add {name} in {_listed(groups)}", "machine.added")
        machine = self._mesh.machine(name, sorted(groups))
        self.machines.append(machine)
        if machine.address in self._removed_addresses:
            raise Refuted(f"the address of a removed machine was given again at once\n{self._told()}")

    def remove(self, machine: Machine) -> None:
        """Removes a machine, disabled or not, and the rules that name it."""
        self._note(f"remove {machine.name}", "machine.removed")
        with self._forgetting.of(machine):
            self._mesh.api.call("DELETE", f"/machines/{machine.id}")
        self._mesh.forget_rules_about(machine)
        self._list_of(machine).remove(machine)
        self._removed_addresses.add(machine.address)
        self._revoked.append(machine)

    def rotate(self, machine: Machine) -> None:
        """Rotates the key of a machine, which may be disabled.

        Raises:
            Refuted: the hub answers the new key of a disabled machine.
        """
        self._note(f"rotate the key of {machine.name}", "machine.rotated")
        with self._forgetting.of(machine):
            answer = self._mesh.api.call("POST", f"/machines/{machine.id}/rotate", {}).body
        if machine in self.disabled:
            self._check_new_key_opens_nothing(machine, answer["config"])
            self._replace(machine, replace(machine, config=answer["config"]))
        else:
            self._revoked.append(machine)
            self._replace(machine, self._mesh.bring_up(machine.name, answer, machine.groups))

    def regroup(self, machine: Machine, groups: Iterable[str]) -> None:
        """Replaces the groups of a machine, disabled or not."""
        self._note(f"{machine.name} is in {_listed(groups)}", "machine.changed")
        self._mesh.api.call("PATCH", f"/machines/{machine.id}", {"groups": sorted(groups)})
        self._replace(machine, replace(machine, groups=tuple(sorted(groups))))

    def rename(self, machine: Machine) -> None:
        """Gives a machine, disabled or not, another name, and changes nothing else of it."""
        name = f"{machine.name}-renamed"
        self._note(f"rename {machine.name}", "machine.changed")
        self._mesh.api.call("PATCH", f"/machines/{machine.id}", {"name": name})
        self._replace(machine, replace(machine, name=name))

    def disable(self, machine: Machine) -> None:
        """Disables a machine, which goes on as if it knew nothing of it."""
        self._note(f"disable {machine.name}", "machine.changed")
        with self._forgetting.of(machine):
            self._mesh.api.call("PATCH", f"/machines/{machine.id}", {"enabled": False})
        self.machines.remove(machine)
        self.disabled.append(machine)

    def enable(self, machine: Machine) -> None:
        """Enables a machine that was disabled; it connects with the configuration that it has.

        Raises:
            Refuted: it does not.
        """
        self._note(f"enable {machine.name}", "machine.changed")
        self._mesh.api.call("PATCH", f"/machines/{machine.id}", {"enabled": True})
        self.disabled.remove(machine)
        self.machines.append(machine)
        self._connect_again(machine)

    def suspend(self) -> None:
        """Suspends the organization by the operator's command.

        Raises:
            Inconclusive: nobody here can give the command.
        """
        self.steps.append("suspend the organization")
        self._suspension.begin()
        self.was_suspended = True

    def resume(self) -> None:
        """Resumes the organization by the operator's command; its owner signs in, and its machines connect again.

        Raises:
            Refuted: the owner can't sign in, a token that was made before does not hold, or a machine does not connect.
        """
        self.steps.append("resume the organization")
        self._suspension.end()
        for machine in list(self.machines):
            self._connect_again(machine)

    def reconnect(self, machine: Machine) -> None:
        """Takes a machine's tunnel down and up again."""
        self.steps.append(f"{machine.name} reconnects")
        self._connect_again(machine)

    def save(self, default: str, rules: Sequence[Rule]) -> None:
        """Saves a policy, whose rules may name disabled machines, too."""
        self._note(self._mesh.describe_policy(default, rules), "policy.saved")
        self._mesh.save(default, rules)

    def check(self) -> None:
        """Checks that all traffic is as the policy says, and that what is out of service has none.

        The service shows what the steps have made (`check_shown`). Out of service are removed and rotated keys,
        disabled machines, and everything and everybody of a suspended organization.

        Raises:
            Refuted: not so; the message has the table and the steps so far.
        """
        try:
            # First, as packets may not pass from the answer of the last step on.
            self._check_silence()
            # After what such a machine still reaches, which says more than that its connections stayed.
            self._forgetting.check()
            if self.is_suspended:
                self._suspension.check_calls()
                return
            self.check_shown()
            counted = self._tables.check(self.machines)
            self.allowed += counted.allowed
            self.denied += counted.denied
        except Refuted as refuted:
            raise Refuted(f"{refuted}\n{self._told()}") from refuted

    def check_shown(self) -> None:
        """Checks that the service shows machines, policy and the audit trail as the steps have made them.

        Raises:
            Refuted: not so.
        """
        shown.check_machines(self._mesh, self.machines, self.disabled)
        shown.check_policy(self._mesh)
        shown.check_trail(self._mesh, self._acts)

    def _note(self, step: str, act: str) -> None:
        """Notes a step in words, and as the audit trail names it."""
        self.steps.append(step)
        self._acts.append(act)

    def _told(self) -> str:
        return f"after: {'; then '.join(self.steps) or 'nothing'}"

    def _check_silence(self) -> None:
        attempts = [
            *(self._attempt("a removed or rotated key", each) for each in self._revoked),
            *(self._attempt("a disabled machine", each) for each in self.disabled),
        ]
        if self.is_suspended:
            attempts += [self._attempt("a machine of a suspended organization", each) for each in self.machines]
        elif self.disabled:
            addresses = tuple(each.address for each in self.disabled)
            attempts += [Attempt("a packet to a disabled machine", each, addresses) for each in self.machines]
        if attempts:
            self.silenced += sum(len(each.targets) for each in attempts)
            check_silence(attempts, [*self.machines, *self.disabled], self._settle)

    def _check_new_key_opens_nothing(self, machine: Machine, config: str) -> None:
        """Tries the configuration that a disabled machine got for a new key, on a host of its own."""
        host = self._hosts.take(machine.name)
        for is_last in (False, True):
            # The first handshake may get lost on its way.
            tunnel = wg_quick(host, config, "mesh.conf")
            if host.ping(self._mesh.hub_address, timeout=_SILENCE_S):
                raise Refuted(f"the hub answers the new key of a disabled machine\n{self._told()}")
            if is_last:
                self._hosts.release(replace(machine, host=host, tunnel=tunnel))
            else:
                tunnel.down()

    def _attempt(self, what: str, sender: Machine) -> Attempt:
        """Returns pings from a machine to the hub and to all other machines."""
        others = {self._mesh.hub_address, *(each.address for each in (*self.machines, *self.disabled))}
        return Attempt(what, sender, tuple(sorted(others - {sender.address})))

    def _settle(self) -> None:
        """Waits until everything that the hub let through has arrived."""
        if not self.is_suspended:
            self._mesh.fence(*self.machines)
            return
        # No hub answers, as it should be, so there is nothing to wait for but time.
        first = self.machines[0]
        first.way.settle()
        first.host.ping(self._mesh.hub_address, timeout=_SILENCE_S)

    def _connect_again(self, machine: Machine) -> None:
        machine.tunnel.down()
        tunnel = wg_quick(machine.host, machine.config, "mesh.conf")
        try:
            tunnel.wait_for_handshake(HANDSHAKE_DEADLINE)
        except NothingArrived as error:
            told = f"{machine.name} completed no handshake with the hub in {HANDSHAKE_DEADLINE:.0f} s"
            raise Refuted(f"{told}\n{self._told()}") from error
        self._replace(machine, replace(machine, tunnel=tunnel))

    def _replace(self, machine: Machine, changed: Machine) -> None:
        listed = self._list_of(machine)
        listed[listed.index(machine)] = changed

    def _list_of(self, machine: Machine) -> list[Machine]:
        return self.disabled if machine in self.disabled else self.machines


def _listed(groups: Iterable[str]) -> str:
    return ", ".join(sorted(groups)) or "no group"
