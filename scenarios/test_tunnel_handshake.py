"""Two real machines complete a WireGuard handshake with the live service and exchange packets."""

from __future__ import annotations

import time

import pytest

from harness.hostile.front_door import BETWEEN_HANDSHAKES_S
from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay.mesh import HANDSHAKE_DEADLINE
from harness.wire.noiseclient import NoiseClient
from harness.world.world import World
from netlab import NothingArrived, wg_quick, wireguard_implementation

pytestmark = pytest.mark.claim("tunnel-handshake")

PINGS = 20
RENEWALS = {"quick": 2, "full": 10}


def test_two_machines_shake_hands_and_exchange_packets(world: World, record: Record) -> None:
    """An organization signs up and two machines exchange packets in both directions; the API shows their handshakes and
    bytes.
    """
    start = time.monotonic()
    mesh = world.organization(record, "acme-networks")
    mumbai, pune = mesh.machines("branch-mumbai", "branch-pune")
    if not mumbai.reaches(pune):
        raise Refuted("two machines with a handshake each don't reach each other")
    record.measure("sign-up to first ping", time.monotonic() - start, "s")
    record.measure("client", wireguard_implementation(mumbai.host))

    for source, destination in ((mumbai, pune), (pune, mumbai)):
        answered = source.host.ping(destination.address, count=PINGS, timeout=5.0, interval=0.005)
        record.took("pings between machines, there and back", answered.round_trips)
        record.none_of(
            f"{source.name}→{destination.name} pings lost",
            range(PINGS - answered.received),
            f"{source.name} to {destination.name}: pings lost",
            of=PINGS,
        )
    seen = {machine["id"]: machine for machine in mesh.api.call("GET", "/machines").body["machines"]}
    for machine in (mumbai, pune):
        shown = seen[machine.id]
        if not (
            shown["online"] and shown["last_handshake"] and shown["received_bytes"] > 0 and shown["sent_bytes"] > 0
        ):
            raise Refuted(f"{machine.name} talks, and the service shows otherwise: {shown}")


@pytest.mark.conditions(loss="none")
def test_a_machine_that_was_not_added_gets_no_handshake(world: World, record: Record) -> None:
    """A configuration with a key that the hub does not know gets no answer; one with a known key works."""
    mesh = world.organization(record)
    (known,) = mesh.machines("known")
    with record.control("the hub answers a key that it knows"):
        assert known.reaches(known) or known.host.ping(mesh.hub_address, timeout=5.0)

    added = mesh.api.call("POST", "/machines", {"name": "short-lived"}).body
    host = world.client("stranger")
    mesh.api.call("DELETE", f"/machines/{added['machine']['id']}")
    tunnel = wg_quick(host, added["config"], "mesh.conf")
    # The hub answers a known machine meanwhile, so silence is no sign of slowness.
    start = time.monotonic()
    while time.monotonic() - start < 1.0:
        if not known.host.ping(mesh.hub_address, timeout=HANDSHAKE_DEADLINE):
            raise Refuted("the known machine lost its hub")
        time.sleep(0.05)
    if any(peer.latest_handshake for peer in tunnel.peers()):
        raise Refuted("the hub completed a handshake with a machine that had been removed")
    record.measure("initiations sent by the stranger", sum(peer.tx_bytes for peer in tunnel.peers()), "bytes")


@pytest.mark.conditions(loss="none")
def test_a_handshake_is_renewed_on_the_same_socket(world: World, record: Record, profile: str) -> None:
    """A machine shakes hands again from the same address and port, as all do every two minutes. Its packets pass by the
    new session and, for those that are under way, by the one before. Where the hub has one port for all, a machine of
    another organization shakes hands from there, too.
    """
    mesh, neighbours = (world.organization(record, name) for name in ("acme", "bolt"))
    texts = [each.add("mumbai")["config"] for each in (mesh, neighbours)]
    with NoiseClient(world.client("shared"), texts[0], world.subject.address) as first:
        with record.control("a ping through the first session is answered"):
            first.shake_hands()
            first.ping(mesh.hub_address)
        sessions = [first]
        for number in range(RENEWALS[profile]):
            time.sleep(BETWEEN_HANDSHAKES_S)
            sessions.append(first.beside())
            sessions[-1].shake_hands()
            _ping(sessions[-1], mesh.hub_address, f"renewed session {number + 1}")
            _ping(sessions[-2], mesh.hub_address, f"the session before it, {number + 1}", sessions[-1])
        other = first.beside(texts[1])
        if other.configuration.port == first.configuration.port:
            other.shake_hands()
            _ping(other, neighbours.hub_address, "another organization's session on the same socket")
            _ping(sessions[-1], mesh.hub_address, "the last session beside another organization's")
            sessions.append(other)
    record.measure("handshakes renewed", RENEWALS[profile])
    if len({each.hub_index for each in sessions}) != len(sessions):
        raise Refuted("two sessions have the same index")


def _ping(session: NoiseClient, hub: str, name: str, answered_in: NoiseClient | None = None) -> None:
    try:
        session.ping(hub, answered_in=answered_in)
    except NothingArrived as error:
        raise Refuted(f"{name}: the hub answers no ping through it") from error
