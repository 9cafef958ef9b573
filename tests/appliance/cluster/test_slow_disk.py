"""Members of etcd whose disks are slow cost saves time, and nobody a shard."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from harness.subject.syncs import watched
from tests.appliance.cluster.three_hubs import CONFINED, World
from tests.appliance.databases import on_postgresql
from tests.waiting import wait_until

pytestmark = pytest.mark.full

# More than a lease lasts, several times.
_PACKETS = 1000


@on_postgresql
@pytest.mark.parametrize("slower_s", [0.05, 0.1])
def test_a_slow_disk_of_etcd_costs_nobody_a_shard(three: World, slower_s: float) -> None:
    syncs = list[Path]()

    def on_sync(path: Path) -> Callable[[], None]:
        syncs.append(path)
        return partial(time.sleep, slower_s)

    first = three.begin()
    for number in range(3):
        three.etcd.kill(number)
        watched(partial(three.etcd.start, number), on_sync)
        three.until_answered(lambda: three.save(CONFINED))
    three.owner()
    owner = next(each for each in three.hubs if each.has_the_address())
    taken = three.logs().count("the shard is ours")
    with three.streams() as streams:
        before, count = len(syncs), streams.allowed.sent_count
        wait_until(lambda: streams.allowed.sent_count > count + _PACKETS)
        three.until_answered(lambda: three.save(CONFINED))
        streams.flow()
        assert streams.leaks() == []
        print(f"{slower_s} s: {len(syncs) - before} syncs, silent for {streams.silence():.2f} s, {first is owner}")
    assert syncs
    # Nobody else has taken it, and its owner has not lost it.
    assert owner.has_the_address()
    assert three.logs().count("the shard is ours") == taken
