"""Final classes beside the policy: each packet whose fate is not what the policy wants is a difference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.proof.atoms import Fate, Final
from harness.proof.classes import PacketClass
from harness.proof.fields import (
    BY_OTHER,
    FORWARD,
    ICMP,
    Flow,
    Register,
    Variable,
    addresses,
)
from harness.proof.policy import Policy
from harness.proof.regions import Expected, Verdicts
from harness.proof.space import Space

DELIVERED_ERRORS = (3, 11, 12)
"""Destination unreachable, time exceeded, parameter problem. Redirects have no use in a network with one router, and
source quench is deprecated (RFC 6633)."""
_IPV4 = (0x40, 0x4F)
_ECHO_REQUEST = 8
_BY_END = (Flow.ABOUT_ORIGINAL_BY_END, Flow.ABOUT_REPLY_BY_END)
_PINGING = (*FORWARD, Flow.UNTRACKED)
# A ping that connection tracking takes for none (too many connections, a wrong checksum) may be delivered or not.
_MAY_PING = (*_PINGING, Flow.INVALID)
# The first of each stands for all of them.
_JUDGED_ALIKE = (
    FORWARD,
    (Flow.REPLY,),
    _BY_END,
    BY_OTHER,
    (Flow.INVALID, Flow.UNTRACKED_LATE),
    (Flow.UNTRACKED,),
)


@dataclass(frozen=True)
class Difference:
    """Packets with a wrong fate."""

    fate: Fate
    wanted: str
    packets: PacketClass


class Judge:
    """Compares fates with a policy.

    Args:
        link: index of the link behind which the machines are.
    """

    def __init__(self, policy: Policy, space: Space, link: int) -> None:
        self._space = space
        self._link = link
        self._link_atoms = space.of(Variable.LINK).atoms_in([(link, link)])
        universe = space.of(Variable.SOURCE)
        self._hub = universe.atoms_in([(int(policy.hub),) * 2])
        self._machines = universe.atoms_in((int(each.address),) * 2 for each in policy.machines)
        self._errors = space.of(Variable.TYPE).atoms_in((each, each) for each in DELIVERED_ERRORS)
        self._quoting = space.of(Variable.QUOTED).atoms_in([_IPV4])
        self._verdicts = Verdicts(policy, universe, space.of(Variable.DESTINATION_PORT))

    def differences(self, finals: Iterable[Final]) -> Iterator[Difference]:
        """Differences, in the order of the classes."""
        for final in finals:
            for of_flows in _JUDGED_ALIKE:
                if flows := final.packets.sets[Variable.FLOW] & sum(1 << flow for flow in of_flows):
                    some = final.packets.with_set(Variable.FLOW, flows)
                    yield from self._of_flow(final.fate, of_flows[0], some)

    def _of_flow(self, fate: Fate, flow: Flow, packets: PacketClass) -> Iterator[Difference]:
        elsewhere = packets.sets[Variable.LINK] & ~self._link_atoms
        if elsewhere and fate is not Fate.DROPPED:
            yield Difference(fate, "dropped: it comes from no machine", packets.with_set(Variable.LINK, elsewhere))
        if here := packets.sets[Variable.LINK] & self._link_atoms:
            packets = packets.with_set(Variable.LINK, here)
            yield from self._forwarded(flow, packets) if fate is Fate.FORWARDED else self._kept(fate, flow, packets)

    def _forwarded(self, flow: Flow, packets: PacketClass) -> Iterator[Difference]:
        """Yields forwarded packets that the policy denies."""
        if packets.registers[Register.LINK_OUT.value] != self._link:
            yield Difference(Fate.FORWARDED, "dropped: no machine is there", packets)
            return
        passing = self._allowable(flow, packets)
        if passing is not packets:
            yield from (Difference(Fate.FORWARDED, "dropped", each) for each in _without(packets, passing))
        if passing is not None:
            yield from self._by_policy(Fate.FORWARDED, passing, Expected.DROP, "dropped: the policy denies it")

    def _kept(self, fate: Fate, flow: Flow, packets: PacketClass) -> Iterator[Difference]:
        """Packets that are dropped or delivered to the hub, and should not be."""
        if packets.is_limited and fate is Fate.DROPPED:
            # Beyond a rate or a bound, what opens a connection is refused.
            flows = packets.sets[Variable.FLOW] & ~(1 << Flow.NEW)
            if not flows:
                return
            packets = packets.with_set(Variable.FLOW, flows)
        pings = self._pings(flow, packets)
        if fate is Fate.DELIVERED:
            # A ping by nobody's address can't come: WireGuard lets a peer send from its own address alone.
            wrong = [packets] if pings is None else _without(packets, pings)
            yield from (Difference(fate, "not delivered: it is no ping of the hub", each) for each in wrong)
        elif pings is not None and flow in _PINGING and (known := pings.sets[addresses(flow)[0]] & self._machines):
            of_machines = pings.with_set(addresses(flow)[0], known)
            yield Difference(fate, "delivered: machines may always ping the hub", of_machines)
        passing = self._allowable(flow, packets)
        if passing is not None:
            yield from self._by_policy(fate, passing, Expected.PASS, "forwarded: the policy allows it")

    def _by_policy(self, fate: Fate, packets: PacketClass, wrong: Expected, wanted: str) -> Iterator[Difference]:
        sets = packets.sets
        connection = (
            sets[Variable.PROTOCOL],
            sets[Variable.SOURCE],
            sets[Variable.DESTINATION],
            sets[Variable.DESTINATION_PORT],
        )
        for protocols, region in self._verdicts.meeting(wrong, *connection):
            changed = {
                Variable.PROTOCOL: protocols,
                Variable.SOURCE: region.sources,
                Variable.DESTINATION: region.destinations,
                Variable.DESTINATION_PORT: region.ports,
            }
            yield Difference(fate, wanted, packets.with_sets(changed))

    def _allowable(self, flow: Flow, packets: PacketClass) -> PacketClass | None:
        """Packets that pass if the policy allows their connection; None if there are none."""
        if flow in (*FORWARD, Flow.REPLY):
            return packets
        if flow not in _BY_END:
            return None
        return self._cut(packets, {Variable.TYPE: self._errors, Variable.QUOTED: self._quoting})

    def _pings(self, flow: Flow, packets: PacketClass) -> PacketClass | None:
        """Pings of the hub; None if there are none."""
        if flow not in _MAY_PING:
            return None
        request = self._space.of(Variable.TYPE).atoms_in([(_ECHO_REQUEST, _ECHO_REQUEST)])
        of_ping = {Variable.PROTOCOL: 1 << ICMP, Variable.TYPE: request, addresses(flow)[1]: self._hub}
        return self._cut(packets, of_ping)

    @staticmethod
    def _cut(packets: PacketClass, by: dict[Variable, int]) -> PacketClass | None:
        changed = {variable: packets.sets[variable] & atoms for variable, atoms in by.items()}
        if not all(changed.values()):
            return None
        cut = packets.with_sets(changed)
        return packets if cut == packets else cut


def _without(packets: PacketClass, part: PacketClass | None) -> Iterator[PacketClass]:
    """The packets of a class that are not in a part of it."""
    if part is None:
        yield packets
        return
    for variable in Variable:
        if outside := packets.sets[variable] & ~part.sets[variable]:
            yield packets.with_set(variable, outside)
        packets = packets.with_set(variable, part.sets[variable])
