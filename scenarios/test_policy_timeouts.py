"""A connection that was denied does not come back because the hub forgets it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
from scapy.layers.inet import IP, TCP

from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive
from harness.overlay.machine import PROBE_DEADLINE, Machine
from harness.wire import raw
from harness.wire.witness import Witness
from harness.world.inside import Inside
from harness.world.world import World
from netlab import Host

# It sends one packet at a time, which no other can overtake.
pytestmark = [pytest.mark.claim("policy-enforcement"), pytest.mark.conditions(reorder="none")]

SCALE = 100
"""Time passes this many times faster: the hub's timeouts are divided by it, and so is the pause of the machines."""
PAUSE_S = 120 / SCALE
"""Longest pause between two repetitions of what was not acknowledged (TCP_RTO_MAX in Linux)."""
ROUNDS = 3
_SHORT_S = 1
_SETTINGS = tuple(
    f"net.netfilter.nf_conntrack_tcp_timeout_{name}" for name in ("established", "unacknowledged", "max_retrans")
)
_BEFORE, _DATA = b"before the denial", b"after it"


def test_a_denied_connection_does_not_come_back_by_timeout(world: World, record: Record) -> None:
    """A machine repeats data on a connection that the other one opened and may no longer open, with the longest pauses
    that TCP makes. Nothing arrives, although the machine that repeats may open connections: between two repetitions,
    the hub does not forget who opened this one. Time passes a hundred times faster.
    """
    mesh = world.organization(record)
    mumbai, pune = mesh.machines("mumbai", "pune")
    inside = Inside(world.subject.installed, mesh, pune, mumbai)
    with _connected(mumbai, pune) as (opener, server), Witness(pune.host, pune.tunnel.interface, "tcp") as outgoing:
        with record.control("the connection carries data before the rule"):
            server.send(_BEFORE)
            assert opener.recv(100) == _BEFORE
        opener.setblocking(False)
        later = _following(outgoing)

        def repeat() -> bool:
            """Sends the data after the longest pause; returns True if it has arrived."""
            time.sleep(PAUSE_S)
            raw.send(pune.host, pune.tunnel.interface, [later])
            mesh.fence(pune, mumbai)
            return _has_data(opener)

        mesh.deny(mumbai, pune)
        # A hub that runs would put its timeouts right again.
        with inside.hub_suspended(), _timeouts(world.subject.host, inside.variables()["NS"]) as set_timeouts:
            set_timeouts(None)
            moments, came = [time.monotonic()], 0
            for _ in range(ROUNDS):
                came += repeat()
                moments.append(time.monotonic())
            longest = max(after - before for before, after in pairwise(moments))
            record.none_of("repetitions that arrived", range(came), "a denied connection came back by a timeout")
            record.measure("longest pause", longest, "s", limit=f"<= {2 * PAUSE_S}")
            if longest > 2 * PAUSE_S:
                raise Inconclusive("the lab was too slow to repeat in time")
            set_timeouts(_SHORT_S)
            with record.control("a connection that the hub has forgotten comes back"):
                assert any(repeat() for _ in range(ROUNDS))


@contextmanager
def _connected(source: Machine, destination: Machine) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Opens a TCP connection; yields the socket of the machine that opens it, and of the other."""
    with (
        destination.host.socket(socket.AF_INET, socket.SOCK_STREAM) as listening,
        source.host.socket(socket.AF_INET, socket.SOCK_STREAM) as opener,
    ):
        listening.bind((destination.address, 0))
        listening.listen()
        for each in (listening, opener):
            each.settimeout(PROBE_DEADLINE)
        opener.connect(listening.getsockname())
        with listening.accept()[0] as server:
            yield opener, server


def _following(outgoing: Witness) -> bytes:
    """Returns a segment with data that follows the one that a machine has sent last."""
    segments = [IP(frame.data) for frame in outgoing.frames()]
    (sent,) = [each for each in segments if bytes(each[TCP].payload) == _BEFORE]
    tcp = TCP(
        sport=sent[TCP].sport,
        dport=sent[TCP].dport,
        seq=sent[TCP].seq + len(_BEFORE),
        ack=sent[TCP].ack,
        window=sent[TCP].window,
        flags="PA",
        options=sent[TCP].options,
    )
    return bytes(IP(src=sent.src, dst=sent.dst) / tcp / _DATA)


def _has_data(end: socket.socket) -> bool:
    try:
        return end.recv(100) == _DATA
    except BlockingIOError:
        return False


@contextmanager
def _timeouts(hub: Host, namespace: str) -> Iterator[Callable[[int | None], None]]:
    """Yields a function that sets the timeouts of connections in a namespace.

    It takes seconds, or None for the hub's own timeouts divided by `SCALE`. The own ones are back in the end.
    """
    inside = ("ip", "netns", "exec", namespace, "sysctl")
    own = [int(value) for value in hub.run(*inside, "-n", *_SETTINGS).stdout.split()]

    def write(values: Iterable[int]) -> None:
        hub.run(*inside, "-qw", *(f"{name}={value}" for name, value in zip(_SETTINGS, values, strict=True)))

    try:
        yield lambda seconds: write(each // SCALE if seconds is None else seconds for each in own)
    finally:
        write(own)
