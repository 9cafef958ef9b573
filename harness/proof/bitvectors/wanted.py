"""Demands of a policy on a packet, as conditions, from the policy's published definition.

A connection is denied if a deny rule matches it, else allowed if an allow rule does, else the default decides; a rule
speaks of who opened it. An ICMP error belongs to the connection that it quotes, may come from an end of it alone, and
only kinds that hosts have a use for are delivered. Machines may always ping their hub.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.proof.bitvectors.logic import (
    FALSE,
    TRUE,
    Condition,
    Number,
    both,
    either,
    is_one_of,
    lies_in,
    opposite,
)
from harness.proof.bitvectors.packet import Packet, Tuple
from harness.proof.literals import PROTOCOLS
from harness.proof.policy import Policy

_UNREACHABLE, _EXCEEDED, _PROBLEM = 3, 11, 12
_IPV4 = (0x40, 0x4F)
_ECHO_REQUEST = 8


@dataclass(frozen=True)
class Wanted:
    """Demands on the fate of a packet.

    Attributes:
        may_pass: nothing that the policy says is against forwarding it.
        has_to_pass: it has to be forwarded.
        may_ping: it may be delivered to the hub.
        has_to_ping: it has to be delivered.
    """

    may_pass: Condition
    has_to_pass: Condition
    may_ping: Condition
    has_to_ping: Condition


def wanted(policy: Policy, packet: Packet, not_tracked: Condition) -> Wanted:
    """Writes the demands of a policy on a packet that comes from the machines' link.

    Args:
        not_tracked: true if the packet was kept from connection tracking.
    """
    connection, opened = packet.connection, packet.connection.original
    passing = either(
        (
            connection.is_in("new", "established"),
            both(
                connection.is_in("related"),
                # The quoted packet was on its way to this sender.
                packet.source == packet.quoted_destination,
                is_one_of(packet.kind, (_UNREACHABLE, _EXCEEDED, _PROBLEM)),
                lies_in(packet.quoted_version, _IPV4),
            ),
        )
    )
    hub = int(policy.hub)
    ping = both(
        packet.is_of("icmp"),
        is_one_of(packet.kind, (_ECHO_REQUEST,)),
        is_one_of(packet.destination, (hub,)),
    )
    outgoing = both(connection.is_in("new", "established"), opposite(connection.is_reply))
    of_machine = _is_machine(policy, packet.source)
    decided = both(_is_machine(policy, opened.source), _is_machine(policy, opened.destination))
    # Nobody has the other addresses of the network, so nothing comes from there or arrives.
    possible = both(*(_could_be(policy, end) for end in (opened.source, opened.destination)))
    allowed = _allowed(policy, opened)
    return Wanted(
        may_pass=both(passing, either((both(decided, allowed), both(possible, opposite(decided))))),
        has_to_pass=both(passing, decided, allowed),
        may_ping=both(ping, either((outgoing, connection.is_in("invalid")))),
        has_to_ping=both(ping, of_machine, either((outgoing, not_tracked))),
    )


def _could_be(policy: Policy, address: Number) -> Condition:
    """True for addresses that a machine has or could have."""
    network = int(policy.network.network_address), int(policy.network.broadcast_address)
    return both(lies_in(address, network), opposite(is_one_of(address, (int(policy.hub),))))


def _is_machine(policy: Policy, address: Number) -> Condition:
    return is_one_of(address, (int(machine.address) for machine in policy.machines))


def _allowed(policy: Policy, opened: Tuple) -> Condition:
    matching: dict[str, list[Condition]] = {"deny": [], "allow": []}
    for rule in policy.rules:
        matching[rule["action"]].append(_matches(policy, rule, opened))
    default = TRUE if policy.default == "allow" else FALSE
    return both(opposite(either(matching["deny"])), either((*matching["allow"], default)))


def _matches(policy: Policy, rule: Mapping[str, str], opened: Tuple) -> Condition:
    protocol = rule.get("protocol", "any")
    return both(
        TRUE if protocol == "any" else is_one_of(opened.protocol, (PROTOCOLS[protocol],)),
        _is_named(policy, rule["source"], opened.source),
        _is_named(policy, rule["destination"], opened.destination),
        _has_port(rule.get("ports") or "all", opened.destination_port),
    )


def _is_named(policy: Policy, selector: str, address: Number) -> Condition:
    if selector == "any":
        return TRUE
    kind, _, name = selector.partition(":")
    return is_one_of(
        address,
        (
            int(machine.address)
            for machine in policy.machines
            if (machine.id == name if kind == "machine" else name in machine.groups)
        ),
    )


def _has_port(ports: str, port: Number) -> Condition:
    if ports == "all":
        return TRUE
    ends = (part.partition("-") for part in ports.split(","))
    return either(lies_in(port, (int(first), int(last or first))) for first, _, last in ends)
