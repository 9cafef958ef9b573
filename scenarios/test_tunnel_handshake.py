"""Two real machines complete a WireGuard handshake with the live service and exchange packets."""

from __future__ import annotations

import time

import pytest

from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay.mesh import HANDSHAKE_DEADLINE
from harness.world.world import World
from netlab import wg_quick, wireguard_implementation

pytestmark = pytest.mark.claim("tunnel-handshake")

PINGS = 20


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
