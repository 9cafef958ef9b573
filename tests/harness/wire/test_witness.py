"""Witnesses on a link between two hosts."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from harness.judging.verdicts import Inconclusive
from harness.wire.witness import Marks, Witness
from netlab import Host, Lab

HERE, THERE = "192.0.2.1", "192.0.2.2"
PORT, OTHER_PORT = 9, 10


@pytest.fixture(scope="module")
def ends() -> Iterator[tuple[Host, Host, str]]:
    """Makes a sender, a receiver, and the receiver's link."""
    with Lab() as lab:
        here, there = lab.host("here"), lab.host("there")
        switch = lab.switch("switch")
        lab.connect(here, switch, f"{HERE}/24")
        link = lab.connect(there, switch, f"{THERE}/24")
        # ARP is done before anything is counted.
        assert here.ping(THERE).received
        yield here, there, link.interface


def send(host: Host, port: int, *bodies: bytes) -> None:
    with host.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for body in bodies:
            sender.sendto(body, (THERE, port))


def test_marks_are_found_in_packets_that_carry_them(ends: tuple[Host, Host, str]) -> None:
    here, there, link = ends
    marks = Marks()
    with Witness(there, link) as sees:
        send(here, PORT, b"before " + marks.mark(7), b"nothing", marks.mark(8) + marks.mark(9))
        assert sees.wait_for(marks, {7, 8, 9}) == {7, 8, 9}
        assert sees.marks(marks) == set()


def test_a_filter_keeps_what_it_names(ends: tuple[Host, Host, str]) -> None:
    here, there, link = ends
    marks = Marks()
    with Witness(there, link, f"udp dst port {PORT}") as sees:
        send(here, OTHER_PORT, marks.mark(1))
        send(here, PORT, marks.mark(2))
        assert sees.wait_for(marks, {2}) == {2}


def test_lost_frames_are_inconclusive(ends: tuple[Host, Host, str]) -> None:
    here, there, link = ends
    marks = Marks()
    crowd = [b"another"] * 500
    looking_away = Witness(there, link, f"udp dst port {PORT}")
    with Witness(there, link, buffer=1 << 16) as sees, looking_away as looks_away:
        send(here, OTHER_PORT, *crowd)
        send(here, PORT, marks.mark(1))
        assert looks_away.wait_for(marks, {1}) == {1}
        with pytest.raises(Inconclusive, match="frames in there were not seen"):
            sees.frames()
