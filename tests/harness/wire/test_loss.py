"""Loss of handshake messages, with datagrams of their form on a link of a lab."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from harness.wire.loss import lose_handshakes
from netlab import Lab, LabHost, Link

HUB, PORT = ("192.0.2.1", "2001:db8::1"), 51820
INITIATION, RESPONSE, DATA = b"\1" + bytes(147), b"\2" + bytes(91), b"\4" + bytes(147)
Place = tuple[Lab, Link, LabHost, LabHost]


@pytest.fixture
def place() -> Iterator[Place]:
    """Provides a lab, the hub's link, the hub, and a machine."""
    with Lab() as lab:
        internet, hub, machine = lab.switch("internet"), lab.host("hub"), lab.host("mumbai")
        link = lab.connect(hub, internet, f"{HUB[0]}/24", f"{HUB[1]}/64")
        machines = [(f"192.0.2.{number}/24", f"2001:db8::{number}/64") for number in range(11, 16)]
        lab.connect(machine, internet, *(address for pair in machines for address in pair))
        yield lab, link, hub, machine


def exchanged(sender: LabHost, source: str, receiver: LabHost, destination: str, messages: list[bytes]) -> list[bytes]:
    """Returns the messages that arrive; a last one of another kind follows them, so that none is waited for."""
    family = socket.AF_INET6 if ":" in destination else socket.AF_INET
    end = b"end"
    with receiver.socket(family, socket.SOCK_DGRAM) as there, sender.socket(family, socket.SOCK_DGRAM) as here:
        there.settimeout(5.0)
        there.bind((destination, PORT))
        here.bind((source, PORT))
        for message in [*messages, end]:
            here.sendto(message, (destination, PORT))
        found = []
        while (message := there.recv(2048)) != end:
            found.append(message)
        return found


@pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize(("lost", "message"), [("initiations", INITIATION), ("responses", RESPONSE)])
def test_the_first_message_of_each_fourth_machine_is_lost(place: Place, lost: str, message: bytes, family: int) -> None:
    lab, link, hub, machine = place
    assert lose_handshakes(lab, link, lost) is None
    addresses = [("192.0.2.%d", "2001:db8::%d")[family] % number for number in range(11, 16)]
    arrived = []
    for address in addresses:
        ends = (machine, address, hub, HUB[family]) if lost == "initiations" else (hub, HUB[family], machine, address)
        arrived.append(exchanged(*ends, [message, message, DATA]))
    whole = [message, message, DATA]
    assert arrived == [whole[1:], whole, whole, whole, whole[1:]]


def test_other_messages_and_the_other_direction_lose_nothing(place: Place) -> None:
    lab, link, hub, machine = place
    lose_handshakes(lab, link, "initiations")
    sent = [RESPONSE, DATA, INITIATION[:-1]]
    assert exchanged(machine, "192.0.2.11", hub, HUB[0], sent) == sent
    assert exchanged(hub, HUB[0], machine, "192.0.2.11", [INITIATION, *sent]) == [INITIATION, *sent]


def test_loss_can_be_ended(place: Place) -> None:
    lab, link, hub, machine = place
    lose_handshakes(lab, link, "initiations")
    lose_handshakes(lab, link, "none")
    assert exchanged(machine, "192.0.2.11", hub, HUB[0], [INITIATION]) == [INITIATION]
