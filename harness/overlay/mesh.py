"""An organization as its administrator sees it: machines, policy, and traffic between machines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import permutations
from typing import Any

from harness.client.api import Api
from harness.judging.answer import Answer
from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay.machine import Machine
from harness.overlay.wording import describe_rule
from harness.wire.reordering import IN_ORDER, Way
from netlab import LabHost, NothingArrived, wg_quick

HANDSHAKE_DEADLINE = 6.0
"""Seconds: one more than WireGuard's REKEY_TIMEOUT (5 s), so that a first packet may get lost."""

_FENCE_ROUNDS = 3
# Fields of a machine in the API that change while it is connected.
_LIVE = frozenset(("online", "last_handshake", "received_bytes", "sent_bytes"))

Rule = dict[str, Any]


class Mesh:
    """An organization and what is known of its machines and policy.

    Args:
        api: client that is signed in as the owner.
        new_host: makes a host on the underlay network, given a name.
        record: record of the scenario.
        handshake_deadline: seconds for the first handshake of a machine.
        way: way of its machines to the hub.

    Attributes:
        organization: the organization as the API shows it.
        default: default action of the policy.
        rules: rules of the policy.
    """

    def __init__(
        self,
        api: Api,
        new_host: Callable[[str], LabHost],
        record: Record,
        handshake_deadline: float = HANDSHAKE_DEADLINE,
        way: Way = IN_ORDER,
    ) -> None:
        self.api = api
        self.record = record
        self._new_host = new_host
        self._handshake_deadline = handshake_deadline
        self._way = way
        self.organization: dict[str, Any] = api.call("GET", "/organization").body
        self.default = "allow"
        self.rules: tuple[Rule, ...] = ()
        self._names: dict[str, str] = {}

    @property
    def hub_address(self) -> str:
        """Overlay address of the hub, the first of the range."""
        network = str(self.organization["network"]).partition("/")[0]
        head, _, last = network.rpartition(".")
        return f"{head}.{int(last) + 1}"

    def machines(self, *names: str, groups: Iterable[Iterable[str]] = ()) -> list[Machine]:
        """Adds machines and brings up their tunnels.

        Args:
            names: name of each machine.
            groups: groups of each machine, in the same order; none if empty.

        Raises:
            ApiError: the service refused a machine.
            Refuted: a tunnel completes no handshake.
        """
        wanted = list(groups) or [()] * len(names)
        return [self.machine(name, tuple(each)) for name, each in zip(names, wanted, strict=True)]

    def machine(self, name: str, groups: Sequence[str] = ()) -> Machine:
        """Adds one machine and brings up its tunnel; see `machines`."""
        return self.bring_up(name, self.add(name, groups), groups)

    def listed(self) -> dict[str, dict[str, Any]]:
        """Returns the machines as the service lists them, by id, without what changes while they are connected."""
        machines = self.api.call("GET", "/machines").body["machines"]
        return {each["id"]: {field: each[field] for field in each if field not in _LIVE} for each in machines}

    def add(self, name: str, groups: Sequence[str] = ()) -> dict[str, Any]:
        """Adds one machine, and brings up nothing.

        Returns:
            The answer's body: ``machine`` as the API shows it, and ``config``, the text for wg-quick.

        Raises:
            ApiError: the service refused.
        """
        answer: dict[str, Any] = self.api.call("POST", "/machines", {"name": name, "groups": list(groups)}).body
        return answer

    def bring_up(
        self, name: str, answer: dict[str, Any], groups: Sequence[str] = (), *, host: LabHost | None = None
    ) -> Machine:
        """Brings up the tunnel of a machine that was added.

        Args:
            answer: result of `add`.
            groups: groups that the machine was added with.
            host: host on which it runs; None for a new one on the underlay network.

        Raises:
            Refuted: the tunnel completes no handshake.
        """
        if host is None:
            host = self._new_host("".join(c for c in name.lower() if c.isascii() and c.isalnum())[:32] or "machine")
        tunnel = wg_quick(host, answer["config"], "mesh.conf")
        try:
            tunnel.wait_for_handshake(self._handshake_deadline)
        except NothingArrived as error:
            raise Refuted(f"{name} completed no handshake with the hub in {self._handshake_deadline:.0f} s") from error
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
            self._way,
        )

    def fence(self, *machines: Machine) -> None:
        """Waits until everything that the hub let through of these machines' packets has arrived.

        Three fences of each machine come last, so the answers to their pings come behind all that was let through.

        Raises:
            Refuted: a machine can't ping its hub.
        """
        for _ in range(_FENCE_ROUNDS):
            for machine in machines:
                machine.fence()

    def save(self, default: str, rules: Sequence[Rule]) -> Answer:
        """Replaces the whole policy.

        Args:
            default: ``allow`` or ``deny``.
            rules: rules as the API takes them.

        Returns:
            The answer, with the times of request and answer.

        Raises:
            ApiError: the service refused.
        """
        answer = self.api.call("PUT", "/policy", {"default": default, "rules": list(rules)})
        self.default, self.rules = default, tuple(rules)
        self.record.saved(self.describe_policy(default, rules), answer)
        return answer

    def describe_policy(self, default: str, rules: Iterable[Rule]) -> str:
        """Returns a policy as one line, with machines by their names."""
        return "; ".join([f"default {default}", *(describe_rule(rule, self._names) for rule in rules)])

    def forget_rules_about(self, machine: Machine) -> None:
        """Drops the rules about a machine from `rules`, as the service does when it removes the machine."""
        about = f"machine:{machine.id}"
        self.rules = tuple(rule for rule in self.rules if about not in (rule["source"], rule["destination"]))

    def save_open(self, default: str, machines: Sequence[Machine]) -> Answer:
        """Saves a policy that allows everything between machines: by a rule for each pair if the default denies.

        Args:
            default: ``allow`` or ``deny``.
        """
        pairs = permutations(machines, 2) if default == "deny" else ()
        return self.save(default, [rule_between("allow", *pair) for pair in pairs])

    def deny(self, source: Machine, destination: Machine, **limits: str) -> Answer:
        """Denies connections that ``source`` opens to ``destination``.

        If there is a rule that allows exactly these, it is removed; otherwise, a rule that denies them is added.

        Args:
            limits: ``protocol`` and ``ports`` of the rule.

        Returns:
            The answer, with the times of request and answer.
        """
        return self._turn("allow", "deny", source, destination, limits)

    def deny_under(self, default: str, machines: Sequence[Machine], source: Machine, destination: Machine) -> Answer:
        """Denies connections that ``source`` opens to ``destination``, in an organization that allows everything.

        No rule is removed, so the hub has no remains of rules afterwards.

        Args:
            default: ``allow`` for a rule that denies them, ``deny`` for rules that allow all others.
            machines: all machines of the organization.

        Returns:
            The answer, with the times of request and answer.
        """
        if default == "allow":
            return self.deny(source, destination)
        others = (pair for pair in permutations(machines, 2) if pair != (source, destination))
        return self.save(default, [rule_between("allow", *pair) for pair in others])

    def allow(self, source: Machine, destination: Machine, **limits: str) -> Answer:
        """Undoes `deny` with the same arguments."""
        return self._turn("deny", "allow", source, destination, limits)

    def _turn(self, old: str, new: str, source: Machine, destination: Machine, limits: Mapping[str, str]) -> Answer:
        removed = rule_between(old, source, destination, **limits)
        if removed in self.rules:
            return self.save(self.default, [rule for rule in self.rules if rule != removed])
        return self.save(self.default, (*self.rules, rule_between(new, source, destination, **limits)))


def rule_between(action: str, source: Machine, destination: Machine, **limits: str) -> Rule:
    """Returns a rule from one machine to another.

    Args:
        action: ``allow`` or ``deny``.
        limits: ``protocol`` and ``ports``.
    """
    return {"action": action, "source": f"machine:{source.id}", "destination": f"machine:{destination.id}", **limits}
