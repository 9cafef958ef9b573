"""Four attacks of one organization on a service that it shares with others.

Each function prepares an attack and returns a function that begins it. The attack goes on while its ``with`` block
runs.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from harness.hostile import conntrack, front_door, policies, reads
from harness.hostile.conntrack import ConnectionsOpened
from harness.hostile.front_door import MessagesSent
from harness.hostile.reads import AnswerCount
from harness.judging.record import Record
from harness.world.world import World

_FIRST_PORT, _SOURCES, _KNOWN = 42_000, 40, 10
_RULES_OF_MANY_PORTS = 150
"""Rules of a hundred ports each that together cost most of what a policy may cost."""

_TOO_MANY = 1_500


def flood_the_front_door(world: World, record: Record) -> Callable[[], AbstractContextManager[MessagesSent]]:
    """Prepares a flood of a thousand handshakes per second, some of them from addresses with sessions at the hub.

    Args:
        record: record of the scenario.
    """
    world.subject.check_may_attack()
    hostile = world.organization(record, "flooder")
    enemy = world.client("flooder")
    address = enemy.addresses("eth0")[0].partition("/")[0]
    sources = [(address, _FIRST_PORT + number) for number in range(_SOURCES)]
    sessions = front_door.establish_sessions(
        enemy, hostile.add("knocker")["config"], world.subject.address, sources[:_KNOWN]
    )
    hub = (world.subject.address, int(str(hostile.organization["endpoint"]).rpartition(":")[2]))
    key = str(hostile.organization["hub_public_key"])
    return lambda: front_door.flooding(enemy.start_tool, hub, key, sources, sessions=sessions)


def save_costly_policies(world: World, record: Record) -> Callable[[], AbstractContextManager[AnswerCount]]:
    """Prepares saves over four connections: policies near the bound of cost, policies above it, and single rules.

    Args:
        record: record of the scenario.
    """
    hostile, enemy = world.organization(record, "saver"), world.client("saver")
    requests = [
        policies.save("allow", policies.rules_of_many_ports(_RULES_OF_MANY_PORTS)),
        policies.one_rule_more(),
        policies.save("deny", policies.rules_of_many_ports(_TOO_MANY)),
        policies.save("deny", policies.rules_of_many_ports(_RULES_OF_MANY_PORTS // 2)),
    ]
    url, token, certificate = hostile.api.url, str(hostile.api.token), world.subject.service.certificate
    return lambda: policies.saving(enemy.start_tool, url, token, requests, certificate=certificate)


def read_in_a_loop(world: World, record: Record, rules: int) -> Callable[[], AbstractContextManager[AnswerCount]]:
    """Prepares 24 connections that read a long policy, its counters and the audit trail.

    Args:
        record: record of the scenario.
        rules: length of the policy.
    """
    hostile, enemy = world.organization(record, "reader"), world.client("reader")
    reads.fill(hostile.api, rules, entries=20)
    url, token, certificate = hostile.api.url, str(hostile.api.token), world.subject.service.certificate
    return lambda: reads.reading(enemy.start_tool, url, token, certificate=certificate)


def open_connections(world: World, record: Record) -> Callable[[], AbstractContextManager[ConnectionsOpened]]:
    """Prepares thousands of TCP handshakes per second of one machine with itself; the hub has to track each connection.

    Args:
        record: record of the scenario.
    """
    world.subject.check_may_attack()
    (hostile,) = world.organization(record, "opener").machines("opener")
    return lambda: conntrack.opening(hostile.host.start_tool, hostile.address, hostile.tunnel.interface)
