"""Policies change while traffic flows: denied packets are dropped, allowed ones pass, and no other packet is lost."""

from __future__ import annotations

import random

import pytest

from harness.judging.record import Record
from harness.overlay.drawn import defaults
from harness.overlay.mesh import rule_between
from harness.world.world import World

pytestmark = pytest.mark.claim("live-change")

CHANGES = {"quick": 12, "full": 100}
INTERVAL_S = 0.002


def test_streams_without_a_changed_rule_lose_nothing(world: World, record: Record, profile: str) -> None:
    """Rules for one of three streams come and go, under a default that the seed draws; the others lose no packet,
    unless the machine was busy: those of a stream through a bare WireGuard hub waited as well, or a full queue
    dropped them whose WireGuard had no processor. Of what is denied, no packet arrives.
    """
    mesh = world.organization(record)
    mumbai, pune, delhi = machines = mesh.machines("mumbai", "pune", "delhi")
    (default,) = defaults(random.Random(f"live {world.seed}"), 1)
    mesh.save_open(default, machines)
    with (
        world.queues(*machines) as queues,
        world.canary(mumbai, pune, record, INTERVAL_S / 3) as canary,
        mumbai.stream_to(pune, interval=INTERVAL_S, canary=canary, queues=queues) as changed,
        pune.stream_to(mumbai, interval=INTERVAL_S, canary=canary, queues=queues) as reverse,
        delhi.stream_to(pune, interval=INTERVAL_S, canary=canary, queues=queues) as other,
    ):
        with record.control("all three streams flow before the first change"):
            for stream in (changed, reverse, other):
                stream.flows()
        for _ in range(CHANGES[profile] // 2):
            changed.stops(mesh.deny(mumbai, pune))
            changed.flows(mesh.allow(mumbai, pune))
    record.measure("default", default)
    record.measure("changes under traffic", CHANGES[profile])


def test_unrelated_changes_cost_a_stream_no_packet(world: World, record: Record, profile: str) -> None:
    """Default, groups and ports change around an allowed stream, and a machine comes and goes; the stream loses no
    packet.
    """
    mesh = world.organization(record)
    mumbai, pune = mesh.machines("mumbai", "pune", groups=[["office"], ["office"]])
    always = rule_between("allow", mumbai, pune)
    chance = random.Random(f"changes {world.seed}")
    with (
        world.queues(mumbai, pune) as queues,
        world.canary(mumbai, pune, record, INTERVAL_S) as canary,
        mumbai.stream_to(pune, interval=INTERVAL_S, canary=canary, queues=queues) as stream,
    ):
        with record.control("the stream flows before the first change"):
            stream.flows()
        for number, default in enumerate(defaults(chance, CHANGES[profile])):
            mesh.save(
                default,
                [
                    always,
                    *(
                        {
                            "action": "deny",
                            "source": "group:office",
                            "destination": "any",
                            "protocol": "tcp",
                            "ports": str(chance.randrange(1, 60000)),
                        }
                        for _ in range(chance.randrange(4))
                    ),
                ],
            )
            if number % 4 == 0:
                added = mesh.api.call("POST", "/machines", {"name": f"guest-{number}"}).body["machine"]
                mesh.api.call("DELETE", f"/machines/{added['id']}")
    record.measure("changes under traffic", CHANGES[profile])
