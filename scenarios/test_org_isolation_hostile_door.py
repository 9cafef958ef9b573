"""No organization takes the hub's port from another by flooding it or by holding sessions."""

from __future__ import annotations

import random
import re
import socket
import time

import pytest

from harness.hostile import front_door
from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay.mesh import Mesh
from harness.subject.leases import session_lease_s
from harness.wire.forgery import MessageKind
from harness.wire.noiseclient import NoiseClient
from harness.world.world import World
from netlab import LabHost, NothingArrived, wait_until

pytestmark = [
    pytest.mark.claim("org-isolation"),
    pytest.mark.conditions(outside="IPv4", loss="none", reorder="none"),
]

_MACHINES = 6
_ADDRESSES = 6
_PORTS_OF_AN_ADDRESS = 10
_KNOWN = 20
_FIRST_PORT = 41000
_ANSWER_S = 2.0
"""Seconds, a hundred times what an answer takes; WireGuard itself would repeat after five."""

_USED_S = 180.0
"""Seconds for which WireGuard uses a session (REJECT-AFTER-TIME).

Source: the WireGuard paper, https://www.wireguard.com/papers/wireguard.pdf, section 6.1.
"""
_HELD_S = 1.5
_COUNTED_S = 5.0
_TOLERANCE_S = 0.5


def test_machines_shake_hands_beside_a_tenant_that_floods(world: World, record: Record) -> None:
    """An organization floods the hub's port with handshakes, from many addresses and from sources that the hub knows,
    and sends responses to its own sessions. Another organization's machines, new and known ones, complete handshakes at
    the first attempt.
    """
    world.subject.check_may_attack()
    ordinary, hostile = world.organization(record, "ordinary"), world.organization(record, "hostile")
    configurations = [ordinary.add(f"machine-{number}")["config"] for number in range(_MACHINES)]
    home, enemy = world.client("home"), world.client("enemy")
    addresses = _addresses(world, enemy)
    theirs = hostile.add("knocker")["config"]
    known = [(addresses[0], _FIRST_PORT + number) for number in range(_KNOWN)]
    sessions = front_door.establish_sessions(enemy, theirs, world.subject.address, known)
    strangers = [
        (address, _FIRST_PORT + 1000 + number) for address in addresses for number in range(_PORTS_OF_AN_ADDRESS)
    ]
    with record.control("before the flood, each handshake is answered at the first attempt"):
        assert _unanswered(world, home, configurations, 0) == []
    with front_door.flooding(
        enemy.start_tool, _hub(world, hostile), hostile.organization["hub_public_key"], known + strangers,
        sessions=sessions,
    ) as sent:  # fmt: skip
        missed = _unanswered(world, home, configurations, 1) or _unanswered(world, home, configurations, 2)
        record.none_of(
            "handshakes that were not answered",
            missed,
            "handshakes of an ordinary organization were kept out",
            of=2 * _MACHINES,
        )
        # A machine with stock WireGuard.
        ordinary.machine("newcomer")
    record.at_least("initiations that were sent", sent.initiations, 500, "messages")
    record.at_least("responses that were sent", sent.responses, 500, "messages")
    with record.control("after the flood, each handshake is answered at the first attempt"):
        assert _unanswered(world, home, configurations, 3) == []


def test_a_session_cannot_be_held_from_outside(world: World, record: Record) -> None:
    """Forged handshake responses, sent by a stranger or by the machine itself, don't make the hub's host remember a
    session for longer.
    """
    hostile = world.organization(record)
    enemy, stranger = world.client("enemy"), world.client("stranger")
    hub, key = _hub(world, hostile), hostile.organization["hub_public_key"]
    for host in (enemy, stranger):
        source = (host.addresses("eth0")[0].partition("/")[0], _FIRST_PORT)
        with NoiseClient(enemy, hostile.add(f"of-{host.name}")["config"], world.subject.address) as client:
            client.shake_hands()
            began, before = time.monotonic(), session_lease_s(world.subject.host, client.hub_index)
            with front_door.flooding(
                host.start_tool, hub, key, [source],
                sessions=[client.hub_index], rate=100, ready_after=round(100 * _HELD_S),
            ):  # fmt: skip
                with record.control("the session goes on"):
                    client.ping(hostile.hub_address)
                after, passed = session_lease_s(world.subject.host, client.hub_index), time.monotonic() - began
        record.measure("seconds by which a session's entry is held", after - (before - passed), "s", _TOLERANCE_S)
        if after > before - passed + _TOLERANCE_S:
            raise Refuted(
                f"a session's entry was to end after {before:.1f} s; {passed:.1f} s and some answers later, after"
                f" {after:.1f} s: it is held from outside"
            )


def test_a_session_is_kept_for_as_long_as_it_is_used(world: World, record: Record) -> None:
    """The front door knows whose a session is for longer than WireGuard uses it. Until then none of its packets is
    dropped there, and its index is free for no other organization. The lease is read by the tools of the hub's host,
    because packets would show it after minutes.
    """
    mesh = world.organization(record)
    configuration = mesh.add("mumbai")["config"]
    with NoiseClient(world.client("home"), configuration, world.subject.address) as client:
        began = time.monotonic()
        client.shake_hands()
        with record.control("a ping through the session is answered"):
            client.ping(mesh.hub_address)
        left_s = session_lease_s(world.subject.host, client.hub_index)
        # Rounded in the hub's favour by the time that the reading took.
        kept_s = left_s + time.monotonic() - began
    record.measure("seconds for which a session is known", kept_s, "s", limit=f"> {_USED_S}")
    if kept_s <= _USED_S:
        raise Refuted(f"the front door forgets a session after {kept_s:.1f} s, and it is used for {_USED_S:.0f} s")


def test_datagrams_of_no_session_are_counted(world: World, record: Record) -> None:
    """A stranger sends the hub's port what is no message of WireGuard's, and messages of sessions that nobody has. The
    front door's counters grow by as many.
    """
    mesh, stranger = world.organization(record), world.client("stranger")
    chance = random.Random(f"datagrams {world.seed}")
    strange = [chance.randbytes(length) for length in (4, 31, 32, 147, 149, 1200)]
    sessionless = [
        bytes([kind, 0, 0, 0]) + chance.randbytes(length)
        for kind, length in ((MessageKind.DATA, 28), (MessageKind.DATA, 1000), (MessageKind.RESPONSE, 88))
    ]
    wanted = {"malformed": strange, "sessionless": sessionless}
    before = _dropped(world)
    with stranger.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(_hub(world, mesh))
        for each in chance.sample([*strange, *sessionless], len(strange) + len(sessionless)):
            sender.send(each)
    found: dict[str, int] = {}

    def are_counted() -> bool:
        now = _dropped(world)
        found.update({fate: now[fate] - before[fate] for fate in wanted})
        return all(found[fate] >= len(sent) for fate, sent in wanted.items())

    wait_until(are_counted, _COUNTED_S)
    for fate, sent in wanted.items():
        record.measure(f"datagrams that were sent, {fate}", len(sent))
        if found[fate] != len(sent):
            raise Refuted(f"{fate}: {found[fate]} counted, and {len(sent)} were sent")


def _dropped(world: World) -> dict[str, int]:
    """Returns the packets that the front door has dropped, by their fate."""
    text = world.subject.service.metrics()
    found = re.findall(r'^meshwg_front_door_packets_total{fate="(\w+)"} (\S+)$', text, re.MULTILINE)
    return {fate: round(float(number)) for fate, number in found}


def _unanswered(world: World, home: LabHost, configurations: list[str], attempt: int) -> list[str]:
    """Tries one handshake of each machine and returns those without an answer.

    Args:
        attempt: number of the attempt; sources are new with attempt 1 and known with attempt 2.
    """
    port = _FIRST_PORT + (100 if attempt in (1, 2) else 200 + attempt * 100)
    missed = []
    for number, configuration in enumerate(configurations):
        source = ("", port + number)
        wait_s = _ANSWER_S * world.patience
        with NoiseClient(home, configuration, world.subject.address, wait_s, source=source) as client:
            try:
                client.shake_hands()
            except NothingArrived:
                missed.append(f"machine-{number}, attempt {attempt}")
    time.sleep(front_door.BETWEEN_HANDSHAKES_S)
    return missed


def _addresses(world: World, host: LabHost) -> list[str]:
    """Gives a host more addresses; returns all of them."""
    own = host.addresses("eth0")[0].partition("/")[0]
    more = [world.free_address() for _ in range(_ADDRESSES - 1)]
    for address in more:
        host.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
    return [own, *more]


def _hub(world: World, mesh: Mesh) -> front_door.Source:
    return world.subject.address, int(str(mesh.organization["endpoint"]).rpartition(":")[2])
