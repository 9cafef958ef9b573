"""An owner and a host that is prepared for its shard, for the tests of that."""

from __future__ import annotations

from appliance.hub.rpc.messages import ShardStatus
from appliance.service.owners import OwningHubs
from tests.appliance.cluster.hub_hosts import Break, HubHost, unbroken
from tests.appliance.cluster.three_hubs import BETA, World
from tests.appliance.sealed import ACME
from tests.waiting import wait_until


def begin(three: World, harm: Break = unbroken) -> tuple[HubHost, HubHost]:
    """Starts an owner, a host that prepares, and one that does not; returns the first two."""
    first, second, third = three.hubs
    three.start(first)
    assert three.owner() is first
    three.start(third)
    three.start(second, harm, stands_by=True)
    wait_until(lambda: "are prepared as stored" in second.processes[-1].log_text(), three.logs)
    assert second.has(ACME)
    assert second.has(BETA)
    wait_until(lambda: told_of_the_shard(three).prepared == second.host.name, three.logs)
    return first, second


def told_of_the_shard(three: World) -> ShardStatus:
    """Asks the shard's owner, as a web host does."""
    (told,) = three.web.in_network(three.hubs_of_web(OwningHubs).status).shards
    return told


def loses_its_owner(three: World, first: HubHost, second: HubHost) -> None:
    """Cuts the owner's power; fails unless the prepared host goes on with what is allowed, and with nothing else."""
    with three.streams() as streams:
        first.loses_power()
        assert three.owner(after=first) is second
        streams.flow()
        assert streams.leaks() == []
        print(f"prepared: silent for {streams.silence():.2f} s")
