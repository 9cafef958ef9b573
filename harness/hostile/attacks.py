"""Four attacks by which one organization tries to take the service from all others, each ready to begin."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from harness.hostile import conntrack, front_door, policies, reads
from harness.hostile.conntrack import Opened
from harness.hostile.front_door import Knocks
from harness.hostile.reads import AnswerCount
from harness.judging.record import Record
from harness.world.world import World

_FIRST_PORT, _SOURCES, _KNOWN = 42_000, 40, 10
_RULES_OF_MANY_PORTS = 150
"""Number of rules of a hundred ports each: together most of what a policy may cost."""

_TOO_MANY = 1_500


def flood_the_front_door(world: World, record: Record) -> Callable[[], AbstractContextManager[Knocks]]:
    """A thousand handshakes a second, from sources that the hub knows and from others, which also hold sessions.

    Args:
        record: of the scenario that the organization is signed up for, as for all attacks.
    """
    world.subject.check_may_attack()
    hostile = world.organization(record, "flooder")
    enemy = world.client("flooder")
    address = enemy.addresses("eth0")[0].partition("/")[0]
    sources = [(address, _FIRST_PORT + number) for number in range(_SOURCES)]
    known = front_door.become_known(enemy, hostile.add("knocker")["config"], world.subject.address, sources[:_KNOWN])
    hub = (world.subject.address, int(str(hostile.organization["endpoint"]).rpartition(":")[2]))
    key = str(hostile.organization["hub_public_key"])
    return lambda: front_door.knocking(enemy.start_tool, hub, key, sources, sessions=known)


def save_what_costs_most(world: World, record: Record) -> Callable[[], AbstractContextManager[AnswerCount]]:
    """Saves over four connections: policies about as large as may be, larger ones, and one rule more."""
    hostile, enemy = world.organization(record, "saver"), world.client("saver")
    requests = [
        policies.save("allow", policies.rules_of_many_ports(_RULES_OF_MANY_PORTS)),
        policies.one_rule_more(),
        policies.save("deny", policies.rules_of_many_ports(_TOO_MANY)),
        policies.save("deny", policies.rules_of_many_ports(_RULES_OF_MANY_PORTS // 2)),
    ]
    url, token, certificate = hostile.api.url, str(hostile.api.token), world.subject.service.certificate
    return lambda: policies.saving(enemy.start_tool, url, token, requests, certificate=certificate)


def read_all_the_time(world: World, record: Record, rules: int) -> Callable[[], AbstractContextManager[AnswerCount]]:
    """Twenty-four connections that read a long policy, its counters and the audit trail.

    Args:
        rules: that the policy has.
    """
    hostile, enemy = world.organization(record, "reader"), world.client("reader")
    reads.fill(hostile.api, rules, entries=20)
    url, token, certificate = hostile.api.url, str(hostile.api.token), world.subject.service.certificate
    return lambda: reads.reading(enemy.start_tool, url, token, certificate=certificate)


def open_connections(world: World, record: Record) -> Callable[[], AbstractContextManager[Opened]]:
    """Connections of one machine with itself, thousands in a second, all of which the hub has to follow."""
    world.subject.check_may_attack()
    (hostile,) = world.organization(record, "opener").machines("opener")
    return lambda: conntrack.filling(hostile.host.start_tool, hostile.address, hostile.tunnel.interface)
