"""Status, metrics and the log of operations follow a shard from hub to hub."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from appliance.hub.errors import HubUnreachable
from appliance.hub.rpc.messages import HubStatus
from appliance.service.owners import OwningHubs
from appliance.store import operations
from appliance.web import sharded
from tests.appliance.cluster.hub_hosts import SHARD
from tests.appliance.cluster.three_hubs import World
from tests.appliance.databases import on_postgresql
from tests.waiting import wait_until

pytestmark = pytest.mark.full

_ALERTS = Path(__file__).parents[3] / "deploy" / "monitoring" / "alerts-hubs.yml"
_TRUSTED_S = 1.7


def metrics(status: HubStatus) -> str:
    """Returns what a scrape tells of many hubs."""
    registry = CollectorRegistry()

    class Of(Collector):
        def collect(self):  # type: ignore[no-untyped-def]
            """Makes the families of the status."""
            return sharded.families(status)

    registry.register(Of())
    return generate_latest(registry).decode()


@on_postgresql
def test_the_status_follows_the_shard_from_host_to_host(three: World) -> None:
    three.start(three.hubs[0])
    first = three.owner()
    hubs = three.hubs_of_web(OwningHubs)

    def asked() -> HubStatus:
        return three.web.in_network(hubs.status)

    (before,) = asked().shards
    assert (before.endpoint, before.host) == (SHARD.endpoint, first.host.name)
    assert 0 <= before.lease_age_s < _TRUSTED_S
    assert set(re.findall(r"meshwg_[a-z_]+", _ALERTS.read_text())) <= set(
        re.findall(r"meshwg_[a-z_]+", metrics(asked()))
    )
    first.loses_power()
    # Nobody is there to take over while it is asked for.
    with pytest.raises(HubUnreachable):
        asked()
    for each in three.hubs[1:]:
        three.start(each)
    second = three.owner(after=first)
    wait_until(lambda: asked().shards[0].host == second.host.name, three.logs)
    (after,), unanswered = asked().shards, asked().unanswered
    assert after.token > before.token
    assert sum(unanswered.values()) > 0
    with three.store.read() as transaction:
        log = operations.latest(transaction, 10)
    taken = [each.detail["host"] for each in log if each.action == operations.SHARD_TAKEN]
    assert taken == [second.host.name, first.host.name]
