"""Queues of WireGuard around a bare hub: what they drop is counted, and a hub that sleeps on them is seen."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harness.judging.queues import QueueLog
from harness.overlay.queues import Queues
from netlab import Lab, LabHost, UdpStream
from netlab.examples import plainhub
from tests.waiting import wait_until

USERSPACE = "wireguard-go"


@contextmanager
def bare_hub(network: str = "192.0.2.") -> Iterator[tuple[LabHost, LabHost, LabHost, str]]:
    """Provides a hub by a userspace WireGuard, two hosts, and the address of the second.

    Args:
        network: beginning of the hosts' addresses on the underlay.
    """
    with Lab() as lab:
        switch = lab.switch("internet")
        router, source, destination = lab.router("router"), lab.host("source"), lab.host("destination")
        for number, host in enumerate((router, source, destination), start=1):
            lab.connect(host, switch, f"{network}{number}/{64 if ':' in network else 24}")
        if router.which(USERSPACE) is None:
            pytest.skip(f"{USERSPACE} is not installed")
        hub = plainhub.connect(
            router, f"[{network}1]" if ":" in network else f"{network}1", [source, destination], USERSPACE
        )
        yield router, source, destination, hub.addresses[1]


def program(host: LabHost) -> int:
    """Returns the id of the process of the host's WireGuard."""
    names = {pid: Path(f"/proc/{pid}/comm").read_text().strip() for pid in host.processes()}
    (found,) = (pid for pid, name in names.items() if name == USERSPACE)
    return found


def dropped(log: QueueLog) -> int:
    return sum(each.packets for each in log.overflows)


def test_a_program_that_stands_still_sleeps_on_a_full_queue() -> None:
    with (
        bare_hub() as (router, source, destination, address),
        Queues(router, [(source, "plain"), (destination, "plain")]) as queues,
        UdpStream(source, destination, address, 0, 0.001) as stream,
    ):
        stream.wait_delivery(stream.mark(), 5)
        assert not queues.log().sleeps
        before, begun = dropped(queues.log()), time.monotonic_ns()
        os.kill(program(router), signal.SIGSTOP)
        wait_until(lambda: dropped(queues.log()) > before + 100)
        os.kill(program(router), signal.SIGCONT)
        stream.wait_delivery(stream.mark(), 5)
        stream.stop()
        log = queues.log()
    # What the kernel counted is what is missing.
    assert len(stream.sent()) - len(stream.received()) == dropped(log) > 100
    assert all(begun < each.start_ns < each.end_ns for each in log.sleeps)
    assert log.sleeps


@pytest.mark.parametrize("network", ["192.0.2.", "2001:db8::"])
def test_a_machine_s_own_queue_is_counted_and_not_accused(network: str) -> None:
    with (
        bare_hub(network) as (router, source, destination, address),
        Queues(router, [(source, "plain"), (destination, "plain")]) as queues,
        UdpStream(source, destination, address, 0, 0.001) as stream,
    ):
        stream.wait_delivery(stream.mark(), 5)
        os.kill(program(destination), signal.SIGSTOP)
        wait_until(lambda: dropped(queues.log()) > 100)
        os.kill(program(destination), signal.SIGCONT)
        stream.wait_delivery(stream.mark(), 5)
        stream.stop()
        log = queues.log()
    assert len(stream.sent()) - len(stream.received()) == dropped(log) > 100
    assert not log.sleeps


FLOOD = (
    "import socket; s = socket.socket(type=socket.SOCK_DGRAM); [s.sendto(b'.', ('192.0.2.1', 7)) for _ in range(2000)]"
)


def test_a_program_that_is_started_again_is_watched_again() -> None:
    with bare_hub() as (router, source, *_), Queues(router) as queues:
        first = program(router)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: first not in router.processes())
        before = dropped(queues.log())
        router.run(USERSPACE, "again")
        router.run("wg", "set", "again", "listen-port", "7")
        router.run("ip", "link", "set", "again", "up")
        os.kill(program(router), signal.SIGSTOP)
        source.run(sys.executable, "-c", FLOOD)
        wait_until(lambda: dropped(queues.log()) > before + 100)


def test_nothing_is_seen_of_a_hub_that_is_out_of_reach() -> None:
    with Queues(None) as queues:
        # Other programs may fill the queues of the processors.
        assert replace(queues.log(), backlogs=()) == QueueLog()
