"""Reordering of WireGuard's messages, with datagrams of their form on a link of a lab."""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from itertools import islice, pairwise

import pytest

from harness.judging.verdicts import Inconclusive
from harness.wire.reordering import ONE_OF, Reordering
from netlab import Lab, LabHost, Link

HUB, MACHINE, PORT = ("192.0.2.1", "2001:db8::1"), ("192.0.2.11", "2001:db8::11"), 51820
MESSAGES = 200
# A busy machine may let a sender wait between two messages for longer than they are held back otherwise.
LONG_S = 0.25
INITIATION, RESPONSE = b"\1\0\0\0" + bytes(144), b"\2\0\0\0" + bytes(88)
Place = tuple[Lab, Link, LabHost, LabHost]


@pytest.fixture
def place() -> Iterator[Place]:
    """Provides a lab, the hub's link, the hub, and a machine."""
    with Lab() as lab:
        internet, hub, machine = lab.switch("internet"), lab.host("hub"), lab.host("mumbai")
        link = lab.connect(hub, internet, *(f"{each}/{length}" for each, length in zip(HUB, (24, 64), strict=True)))
        lab.connect(machine, internet, *(f"{each}/{length}" for each, length in zip(MACHINE, (24, 64), strict=True)))
        yield lab, link, hub, machine


def data(counter: int) -> bytes:
    """Makes a data message of one session."""
    return struct.pack("<I4sQ", 4, b"mesh", counter) + bytes(32)


def exchanged(sender: LabHost, receiver: LabHost, destination: str, messages: list[bytes]) -> list[bytes]:
    """Returns messages in the order in which they arrive, all of them."""
    family = socket.AF_INET6 if ":" in destination else socket.AF_INET
    with receiver.socket(family, socket.SOCK_DGRAM) as there, sender.socket(family, socket.SOCK_DGRAM) as here:
        there.settimeout(5.0)
        there.bind((destination, PORT))
        for message in messages:
            here.sendto(message, (destination, PORT))
        return [there.recv(2048) for _ in messages]


@pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("is_to_hub", [True, False], ids=["to the hub", "from the hub"])
def test_one_message_of_eight_is_overtaken(place: Place, is_to_hub: bool, family: int) -> None:
    lab, link, hub, machine = place
    ends = (machine, hub, HUB[family]) if is_to_hub else (hub, machine, MACHINE[family])
    sent = [data(number) for number in range(MESSAGES)]
    assert exchanged(*ends, sent) == sent
    way = Reordering(lab, link, LONG_S)
    arrived = exchanged(*ends, sent)
    words = way.close()
    assert sorted(arrived) == sorted(sent)
    place_of = {each: number for number, each in enumerate(arrived)}
    overtaken = [each for each, following in pairwise(sent) if place_of[following] < place_of[each]]
    assert len(overtaken) == MESSAGES // ONE_OF
    assert words == {"reordered": f"{len(overtaken)} of {MESSAGES // ONE_OF} messages that were held back for 250 ms"}
    assert exchanged(*ends, sent) == sent


def test_every_other_handshake_message_to_the_hub_is_overtaken(place: Place) -> None:
    lab, link, hub, machine = place
    way = Reordering(lab, link, LONG_S)
    sent = [INITIATION, RESPONSE, data(0)]
    assert exchanged(machine, hub, HUB[0], sent) == [RESPONSE, data(0), INITIATION]
    assert exchanged(hub, machine, MACHINE[0], sent) == sent
    assert way.close() == {"reordered": "nothing: none of 0 messages that were held back for 250 ms"}


def test_messages_that_come_while_others_are_read_count(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sends messages whenever one of the devices was just found empty."""
    lab, link, hub, machine = place
    read, sent = os.read, [data(number) for number in range(MESSAGES)]
    there, here = (each.socket(socket.AF_INET, socket.SOCK_DGRAM) for each in (hub, machine))
    left = iter(sent)

    def read_and_send(descriptor: int, most: int) -> bytes:
        try:
            return read(descriptor, most)
        except BlockingIOError:
            if threading.current_thread().name == "reordering":
                for message in islice(left, ONE_OF):
                    here.sendto(message, (HUB[0], PORT))
            raise

    with there, here:
        there.settimeout(5.0)
        there.bind((HUB[0], PORT))
        monkeypatch.setattr(os, "read", read_and_send)
        way = Reordering(lab, link, LONG_S)
        arrived = [there.recv(2048) for _ in sent]
    held = MESSAGES // ONE_OF
    assert way.close() == {"reordered": f"{held} of {held} messages that were held back for 250 ms"}
    assert sorted(arrived) == sorted(sent)


def test_a_keepalive_is_not_held_back(place: Place) -> None:
    lab, link, hub, machine = place
    way = Reordering(lab, link)
    keepalive = data(3)[:32]
    assert exchanged(machine, hub, HUB[0], [keepalive, data(4)]) == [keepalive, data(4)]
    way.close()


@pytest.mark.long
def test_what_is_held_back_has_arrived_once_the_way_is_settled(place: Place) -> None:
    lab, link, hub, machine = place
    way = Reordering(lab, link, LONG_S)
    with (
        hub.socket(socket.AF_INET, socket.SOCK_DGRAM) as there,
        machine.socket(socket.AF_INET, socket.SOCK_DGRAM) as here,
    ):
        there.bind((HUB[0], PORT))
        for _ in range(20):
            here.sendto(data(3), (HUB[0], PORT))
            now = time.monotonic_ns()
            assert way.held_until(now) == sys.maxsize
            assert way.settle()
            assert now < way.held_until(now) < time.monotonic_ns()
            assert there.recv(2048, socket.MSG_DONTWAIT) == data(3)
    way.close()


def test_a_lab_that_reorders_nothing_is_inconclusive(place: Place) -> None:
    lab, link, hub, machine = place
    way = Reordering(lab, link)
    exchanged(machine, hub, HUB[0], [data(3)] * 50)
    with pytest.raises(Inconclusive, match="held 50 messages back, and none was overtaken"):
        way.close()


def test_messages_that_the_lab_loses_are_inconclusive(place: Place) -> None:
    lab, link, _, machine = place
    way = Reordering(lab, link)
    lab.fabric.run(("ip", "link", "set", way.device, "txqueuelen", "1"))
    with machine.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        for _ in range(500):
            here.sendto(data(3), (HUB[0], PORT))
    with pytest.raises(Inconclusive, match="the lab lost"):
        way.close()
