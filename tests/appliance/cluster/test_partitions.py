"""One pair of hosts can't reach each other, and all others can: nothing denied arrives, and the network goes on.

The database is reached by a socket of the file system here, so no cut parts it from a hub; `test_claims` stops it, and
`test_standby_troubles` has it on a host.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from appliance.model.errors import NotEnforced, Unavailable
from appliance.model.policy import Action, Policy
from netlab import LabHost
from tests.appliance.cluster.cuts import cut
from tests.appliance.cluster.hub_hosts import HubHost
from tests.appliance.cluster.three_hubs import CONFINED, Streams, World
from tests.appliance.databases import on_postgresql
from tests.waiting import DEADLINE, wait_until

pytestmark = pytest.mark.full

_OPEN = Policy(Action.ALLOW, ())
# More than a lease lasts, so that one that can't be renewed has ended.
_PACKETS = 400

Pair = Callable[[World, HubHost], tuple[LabHost, LabHost]]


def owner_and_etcd1(three: World, owner: HubHost) -> tuple[LabHost, LabHost]:
    return owner.host, three.etcd.hosts[0]


def owner_and_etcd2(three: World, owner: HubHost) -> tuple[LabHost, LabHost]:
    return owner.host, three.etcd.hosts[1]


def owner_and_etcd3(three: World, owner: HubHost) -> tuple[LabHost, LabHost]:
    return owner.host, three.etcd.hosts[2]


def owner_and_another_hub(three: World, owner: HubHost) -> tuple[LabHost, LabHost]:
    return owner.host, next(each.host for each in three.hubs if each is not owner)


def another_hub_and_etcd1(three: World, owner: HubHost) -> tuple[LabHost, LabHost]:
    return next(each.host for each in three.hubs if each is not owner), three.etcd.hosts[0]


def etcd1_and_etcd2(three: World, owner: HubHost) -> tuple[LabHost, LabHost]:
    del owner
    return three.etcd.hosts[0], three.etcd.hosts[1]


def etcd2_and_etcd3(three: World, owner: HubHost) -> tuple[LabHost, LabHost]:
    del owner
    return three.etcd.hosts[1], three.etcd.hosts[2]


def web_and_etcd1(three: World, owner: HubHost) -> tuple[LabHost, LabHost]:
    del owner
    return three.web, three.etcd.hosts[0]


def web_and_owner(three: World, owner: HubHost) -> tuple[LabHost, LabHost]:
    return three.web, owner.host


PAIRS: list[Pair] = [
    owner_and_etcd1,
    owner_and_etcd2,
    owner_and_etcd3,
    owner_and_another_hub,
    another_hub_and_etcd1,
    etcd1_and_etcd2,
    etcd2_and_etcd3,
    web_and_etcd1,
    web_and_owner,
]


def go_on(streams: Streams) -> None:
    """Waits until a lease's time has passed for certain, and then until the allowed streams flow."""
    count = streams.allowed.sent_count
    wait_until(lambda: streams.allowed.sent_count > count + _PACKETS)
    streams.flow()


@on_postgresql
@pytest.mark.parametrize("pair", PAIRS)
def test_one_pair_that_is_cut_lets_nothing_denied_through(three: World, pair: Pair) -> None:
    first = three.begin()
    three.save(CONFINED)
    with three.streams() as streams:
        with cut(*pair(three, first)):
            go_on(streams)
            # The route to the shard is of one host at a time.
            wait_until(lambda: sum(each.has_the_address() for each in three.hubs) == 1, three.logs)
            if pair is web_and_owner:
                with pytest.raises((NotEnforced, Unavailable)) as refused:
                    three.save(_OPEN)
                assert refused.value.retry_after
            else:
                three.until_answered(lambda: three.save(CONFINED))
            assert three.stored() == CONFINED
            assert streams.leaks() == []
        three.until_answered(lambda: three.save(CONFINED))
        streams.flow()
        assert streams.leaks() == []
        print(f"{pair.__name__}: silent for {streams.silence():.2f} s")
        # The stream that was judged arrives as soon as it may.
        three.until_answered(lambda: three.save(_OPEN))
        streams.denied.wait_delivery(streams.denied.mark(), DEADLINE)
