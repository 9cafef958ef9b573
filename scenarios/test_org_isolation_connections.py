"""No machine takes the hub's connection tracking from others, in its own organization or in another."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from harness.hostile import conntrack, openers
from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay.machine import Machine
from harness.overlay.mesh import Mesh
from harness.world.world import World
from netlab import TcpListener, tcp_probe

pytestmark = pytest.mark.claim("org-isolation")

# docs/organizations.md, "Connections".
PACE, AT_ONCE, BOUND = 1000, 2048, 16_384
# Well past the pace, yet few enough packets for a slow machine: a full queue would cost others their connections, too.
_TRIED_PER_S = 2500.0
_LOOK_S = 2.0
_SECONDS = {"quick": 6.0, "full": 40.0}
# A slow machine opens fewer in a second than the pace allows; after more seconds, the bound is what stops it.
_LONGEST_S = 90.0
_ENOUGH = 1.5
"""Connections that have to be tried for each that is allowed."""
_PORT = 4000
_PROBE_S = 5.0


def test_a_machine_of_many_connections_leaves_room_for_others(world: World, record: Record, profile: str) -> None:
    """A machine opens thousands of connections per second with itself. The hub tracks no more of them than the
    documented rate and bound allow, and other machines of both organizations open connections as before.
    """
    hostile, ordinary = world.organization(record, "hostile"), world.organization(record, "ordinary")
    greedy, mate, other = hostile.machines("greedy", "mate", "other")
    asha, bela = ordinary.machines("asha", "bela")
    pairs = ((mate, other), (mate, greedy), (asha, bela))
    with (
        TcpListener(other.host, _PORT, other.address),
        TcpListener(greedy.host, _PORT, greedy.address),
        TcpListener(bela.host, _PORT, bela.address),
    ):
        with record.control("all of them open connections before"):
            assert all(_opens(*pair) for pair in pairs)
        allowed = _Allowed(_tracked(world, hostile), time.monotonic())
        failed: list[str] = []
        rounds = looks = 0
        attacker, link = greedy.host.start_tool, greedy.tunnel.interface
        sent_before, is_enough = _sent(greedy), False
        with conntrack.opening(attacker, greedy.address, link, rate=_TRIED_PER_S) as opened:
            while time.monotonic() - allowed.began < (_SECONDS[profile] if is_enough else _LONGEST_S):
                failed += [f"{one.name} to {two.name}" for one, two in pairs if not _opens(one, two)]
                rounds += 1
                # Each look starts programs, so there are few; with one too many connections, nothing else matters.
                if time.monotonic() - allowed.began >= looks + 1:
                    looks += 1
                    _, most = allowed.check(_tracked(world, hostile), 3 * rounds)
                    tried = (_sent(greedy) - sent_before) // openers.PACKETS
                    # In the next second, as many more are allowed.
                    is_enough = tried >= _ENOUGH * (most + PACE)
            tracked, most = allowed.check(_tracked(world, hostile), 3 * rounds)
        record.at_least("connections that it tried to open", opened.connections, _ENOUGH * most)
        record.measure("its tracked connections", tracked, limit=f"<= {round(most)}")
        record.none_of(
            "connections that others did not open", failed, "others could open no connection", of=rounds * len(pairs)
        )
        record.at_least("connections that others opened", 3 * rounds, 6)


@dataclass(frozen=True)
class _Allowed:
    """Number of connections that the hub may track of the hostile machine.

    Attributes:
        before: connections that it tracked at the beginning.
        began: time of the beginning.
    """

    before: int
    began: float

    def check(self, tracked: int, others: int) -> tuple[int, float]:
        """Checks a number that was just read.

        Args:
            tracked: connections that the hub tracks.
            others: connections that other machines opened meanwhile.

        Returns:
            The connections since the beginning, and the most that the machine may have by now.

        Raises:
            Refuted: there are more.
        """
        found = tracked - self.before
        most = min(AT_ONCE + PACE * (time.monotonic() - self.began), BOUND + PACE * _LOOK_S)
        if found > most + others:
            raise Refuted(f"the hub tracks {found} connections of one machine, and {round(most)} are the most")
        return found, most


def _opens(source: Machine, destination: Machine) -> bool:
    return bool(tcp_probe(source.host, destination.address, _PORT, _PROBE_S))


def _sent(machine: Machine) -> int:
    """Returns the number of packets that left a machine by its tunnel."""
    counter = f"/sys/class/net/{machine.tunnel.interface}/statistics/tx_packets"
    return int(machine.host.run("cat", counter).stdout)


def _tracked(world: World, mesh: Mesh) -> int:
    """Returns the number of connections that the hub tracks for an organization."""
    names = [line.split()[0] for line in world.subject.host.run("ip", "netns", "list").stdout.splitlines()]
    (name,) = (each for each in names if each.endswith(mesh.organization["id"]))
    file = "/proc/sys/net/netfilter/nf_conntrack_count"
    return int(world.subject.host.run("ip", "netns", "exec", name, "cat", file).stdout)
