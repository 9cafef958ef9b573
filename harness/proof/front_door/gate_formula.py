"""Faults of a gate, found by z3: it shares the parsed rules with the classes (`gate`), and nothing else."""

from __future__ import annotations

from harness.proof.bitvectors.logic import Condition, both, either, number, opposite
from harness.proof.front_door.claims import GATE
from harness.proof.front_door.formula import Datagram, Walk
from harness.proof.front_door.gate import GateFault
from harness.proof.front_door.solving import solved
from harness.proof.front_door.statements import IPV4, IPV6, LOCAL, UDP, WIDTHS, Door


def faults_by_z3(gate: Door, door: Door, hook: str) -> set[GateFault]:
    """Find what a gate does wrong, by one formula for all datagrams and contents.

    Raises:
        Unmodelled: z3 gave up, or chains lead back to themselves.
    """
    datagram = Datagram()
    walk = Walk(gate, datagram, hook)
    family, udp = datagram.fields["meta nfproto"], number(UDP, 8)
    is_known = both(
        either((family == number(IPV4, 8), family == number(IPV6, 8))),
        # A UDP header is whole, or in another fragment.
        either((datagram.has(8), opposite(datagram.has(1)))),
    )
    counts = either([both(*(walk.before[name].there[udp] for name in pair)) for pair in GATE])
    is_doors, passes = _is_the_doors(datagram, door, hook), walk.accepted
    asked = {
        GateFault.OPEN: both(is_doors, passes, opposite(counts)),
        GateFault.SHUT: both(is_doors, opposite(passes), counts),
        GateFault.STRAY: both(opposite(is_doors), opposite(passes)),
    }
    return {fault for fault, condition in asked.items() if solved([is_known, condition]) is not None}


def _is_the_doors(datagram: Datagram, door: Door, hook: str) -> Condition:
    port, end = ("udp dport", "daddr") if hook == "prerouting" else ("udp sport", "saddr")
    address, fields = door.address, datagram.fields

    def is_a(name: str, value: int) -> Condition:
        return fields[name] == number(value, WIDTHS[name])

    of_the_host = is_a(f"fib {end} type", LOCAL)
    conditions = [is_a("meta l4proto", UDP), datagram.has(8), datagram.port(port) == number(door.public_port, 16)]
    if address is None:
        return both(*conditions, of_the_host)
    conditions += [is_a("meta nfproto", address.family), is_a(f"{address.protocol} {end}", address.value)]
    return both(*conditions, *([of_the_host] if hook == "prerouting" else []))
