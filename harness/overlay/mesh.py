"""An organization as its admin sees it: machines, rules, and what passes between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.client.api import Api
from harness.judging.answer import Answer
from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay.judged_stream import JudgedStream
from netlab import LabHost, NothingArrived, Tunnel, wg_quick

HANDSHAKE_DEADLINE = 6.0
"""Seconds: one more than WireGuard's own REKEY_TIMEOUT (5), so that a first packet may get lost."""

PROBE_DEADLINE = 5.0
_LOST_AFTER = 0.3
_FENCE_ROUNDS = 3

Rule = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Machine:
    """A customer's machine, with its tunnel up.

    Attributes:
        hub: the overlay address of its hub.
    """

    id: str
    name: str
    address: str
    groups: tuple[str, ...]
    # With a private key in it; the words of an assertion go into transcripts.
    config: str = field(repr=False)
    hub: str
    host: LabHost
    tunnel: Tunnel
    record: Record

    @property
    def underlay_address(self) -> str:
        """Its own address below the tunnel."""
        return self.host.addresses("eth0")[0].partition("/")[0]

    def reaches(self, other: Machine, timeout: float = PROBE_DEADLINE) -> bool:
        """Whether a ping is answered."""
        return bool(self.host.ping(other.address, timeout=timeout))

    def wait_until_reaches(self, other: Machine, deadline_s: float) -> None:
        """Pings until one is answered, which takes both directions.

        A ping that is sent while a tunnel is gone is lost, however long its answer is awaited.

        Raises:
            Refuted: none is.
        """
        start = time.monotonic()
        while not self.reaches(other, _LOST_AFTER):
            if time.monotonic() - start > deadline_s:
                raise Refuted(f"{self.name} does not reach {other.name} for {deadline_s:.0f} s")

    def accept_all_addresses(self) -> None:
        """Its own WireGuard takes packets to everywhere; nobody can forbid a customer that."""
        (peer,) = self.tunnel.peers()
        allowed = "0.0.0.0/0,::/0"
        self.host.run("wg", "set", self.tunnel.interface, "peer", peer.public_key, "allowed-ips", allowed)

    def stream_to(self, other: Machine, *, interval: float = 0.002) -> JudgedStream:
        """Numbered packets toward another machine, for as long as ``with`` lasts."""
        return JudgedStream(
            self.host, other.host, other.address, self.record, f"{self.name}→{other.name}", interval, self.fence
        )

    def fence(self) -> None:
        """What was sent before has met the hub when this returns: a tunnel keeps its packets in order.

        Raises:
            Refuted: the hub does not answer.
        """
        if not self.host.ping(self.hub, timeout=PROBE_DEADLINE):
            raise Refuted(f"{self.name} can't ping its hub, which every machine always may")


class Mesh:
    """One organization.

    Args:
        api: a connection that is signed in as its owner.
        new_host: makes a machine on the underlay.
        record: of the scenario that this is for.
    """

    def __init__(self, api: Api, new_host: Callable[[str], LabHost], record: Record) -> None:
        self.api = api
        self.record = record
        self._new_host = new_host
        self.organization: dict[str, Any] = api.call("GET", "/organization").body
        self.default = "allow"
        self.rules: tuple[Rule, ...] = ()
        self._names: dict[str, str] = {}

    @property
    def hub_address(self) -> str:
        """The range's first address."""
        network = str(self.organization["network"]).partition("/")[0]
        head, _, last = network.rpartition(".")
        return f"{head}.{int(last) + 1}"

    def machines(self, *names: str, groups: Iterable[Iterable[str]] = ()) -> list[Machine]:
        """Adds machines and brings their tunnels up.

        Raises:
            Refuted: a tunnel does not come up.
        """
        wanted = list(groups) or [()] * len(names)
        return [self.machine(name, tuple(of)) for name, of in zip(names, wanted, strict=True)]

    def machine(self, name: str, groups: Sequence[str] = ()) -> Machine:
        """Adds one machine and brings its tunnel up."""
        return self.bring_up(name, self.add(name, groups), groups)

    def add(self, name: str, groups: Sequence[str] = ()) -> dict[str, Any]:
        """Adds one machine; returns the answer, with its configuration."""
        answer: dict[str, Any] = self.api.call("POST", "/machines", {"name": name, "groups": list(groups)}).body
        return answer

    def bring_up(
        self, name: str, answer: dict[str, Any], groups: Sequence[str] = (), *, host: LabHost | None = None
    ) -> Machine:
        """Brings the tunnel of a machine up that was added.

        Args:
            host: where; on a new host of the underlay if None.

        Raises:
            Refuted: it does not come up.
        """
        if host is None:
            host = self._new_host("".join(c for c in name.lower() if c.isascii() and c.isalnum())[:32] or "machine")
        tunnel = wg_quick(host, answer["config"], "mesh.conf")
        try:
            tunnel.wait_for_handshake(HANDSHAKE_DEADLINE)
        except NothingArrived as error:
            raise Refuted(f"{name} completed no handshake with the hub in {HANDSHAKE_DEADLINE:.0f} s") from error
        machine = answer["machine"]
        self._names[f"machine:{machine['id']}"] = name
        return Machine(
            machine["id"],
            name,
            machine["address"],
            tuple(groups),
            answer["config"],
            self.hub_address,
            host,
            tunnel,
            self.record,
        )

    def fence(self, *machines: Machine) -> None:
        """What the hub let through of what these machines have sent has arrived when this returns.

        A tunnel keeps the order of its packets in each direction, so a ping of the hub, three times over, comes last.

        Raises:
            Refuted: a machine can't ping its hub.
        """
        for _ in range(_FENCE_ROUNDS):
            for machine in machines:
                machine.fence()

    def save(self, default: str, rules: Sequence[Rule]) -> Answer:
        """Saves a whole policy; returns the answer with its times."""
        answer = self.api.call("PUT", "/policy", {"default": default, "rules": list(rules)})
        self.default, self.rules = default, tuple(rules)
        self.record.saved(self.describe_policy(default, rules), answer)
        return answer

    def describe_policy(self, default: str, rules: Iterable[Rule]) -> str:
        """A policy with the machines by their names."""
        return "; ".join([f"default {default}", *(_describe_rule(rule, self._names) for rule in rules)])

    def forget_rules_about(self, machine: Machine) -> None:
        """The service dropped them with the machine."""
        about = f"machine:{machine.id}"
        self.rules = tuple(rule for rule in self.rules if about not in (rule["source"], rule["destination"]))

    def deny(self, source: Machine, destination: Machine, **limits: str) -> Answer:
        """One more rule: what ``source`` opens toward ``destination`` is denied."""
        return self.save(self.default, (*self.rules, rule_between("deny", source, destination, **limits)))

    def allow(self, source: Machine, destination: Machine, **limits: str) -> Answer:
        """Takes the same deny rule away again."""
        gone = rule_between("deny", source, destination, **limits)
        return self.save(self.default, [rule for rule in self.rules if rule != gone])


def rule_between(action: str, source: Machine, destination: Machine, **limits: str) -> Rule:
    """A rule from one machine to another, for a protocol and ports if they are given."""
    return {
        "action": action,
        "source": f"machine:{source.id}",
        "destination": f"machine:{destination.id}",
        **limits,
    }


def _describe_rule(rule: Rule, names: Mapping[str, str]) -> str:
    ends = (names.get(rule[end], str(rule[end])) for end in ("source", "destination"))
    limits = (str(rule[limit]) for limit in ("protocol", "ports") if rule.get(limit))
    return " ".join([rule["action"], "→".join(ends), *limits])
