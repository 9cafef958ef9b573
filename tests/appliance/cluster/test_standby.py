"""A host that is prepared for a shard of another one forwards nothing, goes first, and enforces what is stored."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from appliance.cluster.etcd import Etcd
from appliance.cluster.guidance import Guidance
from appliance.hub.front_door.lease_gate import CLOSED
from appliance.hub.names import Names
from appliance.hub.plane import standby
from appliance.hub.plane.standby import Standby
from appliance.service import Actor, deletion, machines
from tests.appliance.cluster.hub_hosts import SHARD, HubHost, unbroken
from tests.appliance.cluster.prepared_hosts import begin, loses_its_owner
from tests.appliance.cluster.three_hubs import BETA, CONFINED, World
from tests.appliance.databases import on_postgresql
from tests.appliance.sealed import ACME
from tests.waiting import DEADLINE, wait_until

pytestmark = pytest.mark.full

_LATE_S = 3600.0


def lags() -> None:
    """Has a hub prepare what there is when it begins, and not see what changes then."""
    pytest.MonkeyPatch().setattr(standby, "LOOK_S", _LATE_S)


def lags_and_stays_so() -> None:
    """Break: a hub that lags begins with what it has prepared."""
    lags()
    pytest.MonkeyPatch().setattr(Standby, "catch_up", lambda _: None)


@on_postgresql
def test_the_prepared_host_goes_first_and_builds_nothing(three: World) -> None:
    first, second = begin(three)
    three.save(CONFINED)
    loses_its_owner(three, first, second)
    text = second.processes[-1].log_text()
    assert "what was prepared is as stored" in text
    assert "organization enforced" not in text


@on_postgresql
def test_a_prepared_host_lets_nothing_through(three: World) -> None:
    _, second = begin(three)
    with three.streams() as streams:
        sender = three.machines[BETA][2]
        hardware = second.host.run("cat", f"/sys/class/net/{second.public.interface}/address").stdout.strip()
        # As if the address were here: one machine's packets come to this host.
        second.host.run("ip", "address", "add", f"{SHARD.address}/32", "dev", "lo")
        sender.run("ip", "neighbour", "replace", SHARD.address, "lladdr", hardware, "dev", "eth0")
        wait_until(lambda: refused(second) > 0, three.logs)
        moment = streams.own.mark()
        wait_until(lambda: len(streams.own.sent_in(moment, streams.own.mark())) > 100)
        assert streams.own.delivered_sent_in(moment, streams.own.mark()) == []
        assert refused(second) > 100
        # It answers again where it should.
        sender.run("ip", "neighbour", "delete", SHARD.address, "dev", "eth0")
        streams.flow()


def refused(hub: HubHost) -> int:
    """Reads how many packets have found a host's gate shut."""
    words = hub.host.run("nft", "list", "counter", "inet", Names(SHARD.id).gate, CLOSED).stdout.split()
    return int(words[words.index("packets") + 1])


@on_postgresql
def test_a_rule_that_a_prepared_host_has_not_seen_counts(three: World) -> None:
    first, second = begin(three, lags)
    three.save(CONFINED)
    loses_its_owner(three, first, second)


@on_postgresql
def test_a_prepared_host_that_stays_behind_is_noticed(three: World) -> None:
    first, _ = begin(three, lags_and_stays_so)
    three.save(CONFINED)
    with three.streams() as streams:
        first.loses_power()
        wait_until(lambda: bool(streams.leaks()), three.logs)


@on_postgresql
@pytest.mark.parametrize("harm", [unbroken, lags])
def test_a_prepared_host_has_no_removed_network_or_key(three: World, harm: Callable[[], None]) -> None:
    first, second = begin(three, harm)
    context, rotated = three.context(), three.machines[ACME][4]
    with three.streams() as streams:
        assert rotated.ping("10.100.0.3", timeout=1.0)
        three.web.in_network(lambda: machines.rotate(context, Actor.operator(ACME), "machine4xyz"))
        three.web.in_network(lambda: deletion.delete(context, Actor.operator(BETA), confirm=BETA))
        if harm is unbroken:
            wait_until(lambda: not second.has(BETA), three.logs)
        else:
            assert second.has(BETA)
        first.loses_power()
        assert three.owner(after=first) is second
        assert not second.has(BETA)
        streams.flow(own=False)
        assert not rotated.ping("10.100.0.3", timeout=1.0)


@on_postgresql
def test_one_host_prepares_until_it_is_drained(three: World) -> None:
    first, *others = three.hubs
    three.start(first)
    three.owner()
    for each in others:
        three.start(each, stands_by=True)
    wait_until(lambda: any(each.has(ACME) for each in others), three.logs)
    prepared, other = sorted(others, key=lambda each: not each.has(ACME))
    assert not other.has(ACME)
    three.web.in_network(lambda: Guidance(Etcd(three.etcd.endpoints, 0.4)).drain(prepared.host.name))
    wait_until(lambda: not prepared.has(ACME) and other.has(ACME), three.logs)
    assert prepared.processes[-1].wait(DEADLINE) == 0
