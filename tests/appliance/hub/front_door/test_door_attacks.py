"""An attacker's packets are counted, and change nothing for a machine with a session."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from scapy.layers.inet import UDP

from appliance.hub.front_door import FrontDoor
from appliance.hub.front_door.memory import ALL_STRANGERS
from appliance.hub.front_door.outcomes import DROPS
from netlab import Capture, Host, LabHost
from tests.appliance.hub.front_door.attacks import fresh_initiation, initiation, numbered, send, send_from_everywhere
from tests.appliance.hub.front_door.world import HUB_INSIDE, PORT, Machine, World
from tests.waiting import DEADLINE, wait_until

_PACKETS = 5000


@pytest.fixture
def victim(world: World, door: FrontDoor) -> Machine:
    """Provides a machine of the first organization, with a session."""
    del door
    machine = world.machine(world.organizations[0], 11)
    assert machine.reaches_the_hub(DEADLINE)
    return machine


@pytest.fixture
def enemy(world: World) -> LabHost:
    """Provides a host on the internet that is no organization's machine."""
    return world.host(66)


def source_of(world: World, machine: Machine) -> tuple[str, int]:
    address, _, port = world.endpoint(machine).rpartition(":")
    return address, int(port)


@contextmanager
def undisturbed(world: World, victim: Machine) -> Iterator[None]:
    """Checks that every ping of the victim is answered during the block and after it, by the earlier session."""
    before = world.endpoint(victim), victim.tunnel.peers()[0].latest_handshake
    lost: list[int] = []
    over = threading.Event()

    def ping() -> None:
        while not over.is_set():
            result = victim.host.ping(HUB_INSIDE, count=20, timeout=DEADLINE, interval=0.005)
            lost.append(result.sent - result.received)

    thread = threading.Thread(target=ping, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert victim.reaches_the_hub()
    assert sum(lost) == 0
    assert (world.endpoint(victim), victim.tunnel.peers()[0].latest_handshake) == before


@pytest.mark.long
@pytest.mark.parametrize("is_forged", [False, True], ids=["its own source", "the victim's source"])
@pytest.mark.parametrize(
    ("make", "counted"),
    [
        (lambda: numbered(_PACKETS, 0x5A5A5A5A, 148), "malformed"),
        (lambda: numbered(_PACKETS, 4, 128), "sessionless"),
        (lambda: numbered(_PACKETS, 2, 92), "sessionless"),
        (lambda: numbered(_PACKETS, 1, 147), "malformed"),
        (lambda: (b"" for _ in range(_PACKETS)), "malformed"),
    ],
    ids=["random", "data", "responses", "length", "empty"],
)
def test_malformed_datagrams_are_dropped_by_the_kernel(
    world: World,
    door: FrontDoor,
    victim: Machine,
    enemy: LabHost,
    make: Callable[[], Iterator[bytes]],
    counted: str,
    is_forged: bool,
) -> None:
    source = source_of(world, victim) if is_forged else None
    with world.arrivals(enemy) as arrived, undisturbed(world, victim):
        while arrived() < _PACKETS:
            send(enemy, make(), source=source)
        # Each that arrived, and nothing else, was dropped for this reason.
        wait_until(lambda: getattr(door.counters(), counted) == arrived())
    assert {getattr(door.counters(), reason) for reason in DROPS if reason != counted} == {0}
    assert door.counters().demultiplexed == 1


def test_initiations_for_unknown_keys_are_cheap(world: World, door: FrontDoor, victim: Machine, enemy: Host) -> None:
    with undisturbed(world, victim):
        send(enemy, (initiation() for _ in range(_PACKETS)))
    counters = door.counters()
    # One address has its pace: the burst, and what time brings.
    assert 0 < counters.unknown_key + counters.overflow < _PACKETS / 2
    assert counters.stranger_pace > _PACKETS / 2


def test_initiations_of_all_strangers_share_one_rate(
    world: World, door: FrontDoor, victim: Machine, enemy: Host
) -> None:
    with undisturbed(world, victim):
        seconds = send_from_everywhere(enemy, (initiation() for _ in range(_PACKETS)))
    rate, burst = ALL_STRANGERS
    if burst + rate * seconds > _PACKETS:
        pytest.skip(f"{_PACKETS / seconds:.0f} packets a second are all that this machine sends")
    counters = door.counters()
    assert counters.strangers_pace > 0
    assert counters.stranger_pace == 0
    stranger = world.machine(world.organizations[1], 12)
    assert stranger.reaches_the_hub(DEADLINE)


def test_a_replayed_initiation_is_not_answered(world: World, door: FrontDoor, victim: Machine, enemy: Host) -> None:
    with Capture(world.hub, "eth0", f"udp dst port {PORT} and udp[8] = 1") as capture:
        other = world.machine(world.organizations[0], 12)
        assert other.reaches_the_hub(DEADLINE)
    (recorded,) = [bytes(packet[UDP].payload) for packet in capture.packets()]
    for source in (None, source_of(world, victim), source_of(world, other)):
        with undisturbed(world, victim), undisturbed(world, other):
            send(enemy, [recorded] * 50, source=source)
    assert door.counters().sessionless == 0


def test_another_organization_can_t_take_over_a_session(
    world: World, door: FrontDoor, victim: Machine, enemy: Host
) -> None:
    """Sends a genuine handshake from the victim's address: the victim's session stays."""
    second = world.organizations[1]
    genuine = fresh_initiation(world, second, 21)
    with Capture(victim.host, "eth0", f"udp src port {PORT} and udp[8] = 2") as capture, undisturbed(world, victim):
        send(enemy, [genuine], source=source_of(world, victim))
        wait_until(lambda: bool(capture.packets()))
        send(enemy, [initiation(second.keys.public) for _ in range(50)], source=source_of(world, victim))
    # It is no empty test: the second organization's hub has answered to the victim's address.
    assert len(capture.packets()) == 1
    assert door.counters().sessionless == 0


def test_known_sources_are_limited_in_rate_too(world: World, door: FrontDoor, victim: Machine, enemy: Host) -> None:
    """Forges a machine's address: this uses up that machine's rate, and no other's."""
    other = world.machine(world.organizations[0], 12)
    assert other.reaches_the_hub(DEADLINE)
    key = world.organizations[0].keys.public
    with undisturbed(world, victim), undisturbed(world, other):
        send(enemy, (initiation(key) for _ in range(_PACKETS)), source=source_of(world, victim))
    counters = door.counters()
    assert counters.regular_pace > _PACKETS / 2
    assert counters.regulars_pace == 0
    # A new handshake of the other one is not affected.
    other.tunnel.down()
    again = world.client(world.organizations[0], other.host, 12)
    assert again.reaches_the_hub(DEADLINE)
