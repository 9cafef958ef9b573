"""Calibrated sabotages in a running service: each does what its value says, by real packets."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from statistics import median

import pytest

from harness.judging.answer import Answer
from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay import volley
from harness.overlay.machine import Machine
from harness.sabotage import forks
from harness.subject.kinds import OwnService
from harness.subject.options import Build
from harness.wire.witness import Marks, Witness
from harness.world.outside import WEB, Outside
from harness.world.world import World
from netlab import UdpStream, wait_until
from tests.sandboxes import need_sandbox

_INTERVAL_S = 0.001
_PORT = 4000
_DEADLINE = 30.0
_AT_ONCE = 40
_SAVING_S = 60.0
_PACKETS = 1600
_SHARE = 10
# Six standard deviations of the number of packets that a share of ten takes out of 1,600.
_FEWEST, _MOST = 88, 232


@contextmanager
def sabotaged(sabotage: str) -> Iterator[World]:
    """Runs a lab with a service that has a sabotage."""
    need_sandbox()
    broken = Build(("harness.sabotage", sabotage), partial(forks.command_line, [sabotage]), forks.operator)
    with World(partial(OwnService, broken=broken)) as world:
        yield world


def stream(source: Machine, destination: Machine) -> UdpStream:
    """Makes a stream of numbered packets."""
    return UdpStream(source.host, destination.host, destination.address, 0, interval_s=_INTERVAL_S)


def wait_for_packets(running: UdpStream, since_ns: int, count: int) -> None:
    """Waits until so many packets were sent since a time."""
    assert wait_until(lambda: len(running.sent_in(since_ns, running.mark())) >= count, _DEADLINE)


def send(source: Machine, address: str, marks: Marks, *others: Machine) -> None:
    """Sends marked packets, few enough at a time for the queues of all these machines."""
    with source.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(_PACKETS):
            sender.sendto(marks.mark(number), (address, _PORT))
            if number % _AT_ONCE == 0:
                for machine in (source, *others):
                    machine.fence()


def arrived(source: Machine, destination: Machine) -> int:
    """Sends packets between two machines, and returns how many came out of the destination's tunnel."""
    marks = Marks()
    with Witness(destination.host, destination.tunnel.interface) as witness:
        send(source, destination.address, marks, destination)
        for _ in range(2):
            source.fence()
            destination.fence()
        return len(witness.marks(marks))


def test_a_late_save_is_enforced_that_time_after_its_answer() -> None:
    milliseconds = 50
    with sabotaged(f"late:{milliseconds}") as world:
        mesh = world.organization(Record())
        mumbai, pune = mesh.machines("mumbai", "pune")
        late: list[float] = []
        with stream(mumbai, pune) as running:
            running.wait_delivery(running.mark(), _DEADLINE)
            end = time.monotonic() + _SAVING_S
            while len(late) < 5 or (max(late) < milliseconds - 2 and time.monotonic() < end):
                denied = mesh.deny(mumbai, pune)
                wait_for_packets(running, denied.answered_ns, 4 * milliseconds)
                late.append(last_delivered_ms(running, denied))
                allowed = mesh.allow(mumbai, pune)
                running.wait_delivery(allowed.answered_ns, _DEADLINE)
    # A busy machine may take longer to hand the answer to its reader, so the latest of several tells; five are enough
    # on a quiet one.
    assert max(late) >= milliseconds - 2
    assert median(late) > 0


def last_delivered_ms(running: UdpStream, change: Answer) -> float:
    """Returns the time from the answer of a denial to the last packet that was sent and delivered since."""
    sent = [each.sent_ns for each in running.received() if each.sent_ns >= change.answered_ns]
    return (max(sent, default=change.answered_ns) - change.answered_ns) / 1e6


def test_a_stall_cuts_traffic_that_long_at_each_save() -> None:
    milliseconds, saves = 100, 3
    with sabotaged(f"stall:{milliseconds}") as world:
        mesh = world.organization(Record())
        mumbai, pune = mesh.machines("mumbai", "pune")
        with stream(pune, mumbai) as running:
            for _ in range(saves):
                running.wait_delivery(running.mark(), _DEADLINE)
                answer = mesh.deny(mumbai, pune)
                running.wait_delivery(answer.answered_ns, _DEADLINE)
                got = sorted(
                    (each.sent_ns, each.received_ns)
                    for each in running.received()
                    if answer.requested_ns - 10**9 < each.sent_ns < answer.answered_ns + 10**9
                )
                last, first = max(pairwise(got), key=lambda each: each[1][0] - each[0][0])
                # The last one had passed before the stall, and the first one may have been on its way at its end.
                assert (first[1] - last[0]) / 1e6 >= milliseconds
                mesh.allow(mumbai, pune)


def test_one_denied_packet_of_so_many_passes() -> None:
    with sabotaged(f"leak:{_SHARE}") as world:
        record = Record()
        mesh = world.organization(record)
        mumbai, pune = mesh.machines("mumbai", "pune")
        mesh.save("deny", [])
        assert _FEWEST <= len(volley.delivered(mumbai, pune, _PACKETS)) <= _MOST
        with pytest.raises(Refuted, match="mumbai→pune: packets of a volley were delivered although denied: "):
            volley.none_arrives(record, mumbai, pune, _PACKETS)


def test_one_allowed_packet_of_so_many_is_lost() -> None:
    with sabotaged(f"loss:{_SHARE}") as world:
        mesh = world.organization(Record())
        mumbai, pune = mesh.machines("mumbai", "pune")
        assert _FEWEST <= _PACKETS - arrived(mumbai, pune) <= _MOST


@pytest.mark.long
def test_one_packet_of_so_many_reaches_another_organization() -> None:
    with sabotaged(f"leak-across:{_SHARE}") as world:
        acme, bolt = world.organization(Record()), world.organization(Record())
        heard, _ = acme.machines("one", "two")
        two, one = reversed(bolt.machines("one", "two"))
        marks = Marks()
        with Witness(heard.host, heard.tunnel.interface) as witness:
            send(two, one.address, marks, one, heard)
            heard.fence()
            heard.fence()
            assert _FEWEST <= len(witness.marks(marks)) <= _MOST


def test_one_packet_of_so_many_leaves_the_mesh() -> None:
    with sabotaged(f"leak-outside:{_SHARE}") as world:
        mesh = world.organization(Record())
        roamer, _ = mesh.machines("roamer", "mate")
        roamer.accept_all_addresses()
        roamer.host.run("ip", "route", "add", WEB, "dev", roamer.tunnel.interface)
        marks = Marks()
        with Outside(world) as beyond, Witness(beyond.internet) as internet:
            send(roamer, WEB, marks)
            roamer.fence()
            beyond.settle()
            assert _FEWEST <= len(internet.marks(marks)) <= _MOST
