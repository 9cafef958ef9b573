"""Self-healing of any hub's WireGuard link with an organization's machines as peers."""

from __future__ import annotations

import random

import pytest

from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive
from harness.overlay.outage import HealthStream
from harness.world.damage import REPORTED, Detection
from harness.world.world import World

pytestmark = [pytest.mark.claim("self-healing"), pytest.mark.conditions(loss="none")]

_DELETE_LINK = """\
for space in "" $(ip netns list | cut -d" " -f1); do
    inside() { ${space:+ip netns exec "$space"} "$@"; }
    for link in $(inside wg show interfaces); do
        inside ip link show dev "$link" >/dev/null 2>&1 || continue
        inside wg show "$link" peers | grep -qxF "$1" || continue
        inside ip link delete dev "$link"
        exit
    done
done
exit 1
"""

_TRIES = 5


@pytest.mark.announces(*REPORTED)
def test_a_deleted_link_is_made_again(world: World, record: Record) -> None:
    """The link that has a machine as a peer is found on the hub's host, wherever it is, and deleted; the machines reach
    each other again soon after.
    """
    mesh = world.organization(record)
    mumbai, pune = machines = mesh.machines("mumbai", "pune")
    default = random.Random(f"default beside link {world.seed}").choice(("allow", "deny"))
    mesh.save_open(default, machines)
    with world.queues(*machines) as queues, HealthStream(mumbai, pune, record, queues=queues) as stream:
        with record.control("the stream flows before"):
            stream.wait_until_whole(Detection.EVENT.value)
        # Not every implementation shows the hub's own key.
        key = mumbai.host.run("wg", "show", mumbai.tunnel.interface, "public-key").stdout.strip()
        for _ in range(_TRIES):
            start = stream.expect_loss()
            if world.subject.host.run("sh", "-c", _DELETE_LINK, "sh", key, check=False).returncode != 0:
                raise Inconclusive("no link of the hub's host has the machine as a peer")
            cut = stream.outage(start, stream.wait_until_whole(Detection.EVENT.value))
            # On a busy machine, a link may be there again before the next packet is.
            if cut:
                break
        record.measure("cut for", cut, "s", limit=f"<= {Detection.EVENT.value}")
        record.measure("default", default)
        if not cut:
            raise Inconclusive(f"a link that was deleted {_TRIES} times cut nothing")
