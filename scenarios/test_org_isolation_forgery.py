"""No organization reaches another by forged senders, broadcasts, stolen configurations or recorded messages."""

from __future__ import annotations

import socket

import pytest
from scapy.layers.inet import IP, UDP
from scapy.packet import Packet

from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay.machine import PROBE_DEADLINE, Machine
from harness.overlay.mesh import HANDSHAKE_DEADLINE
from harness.wire import forgery, raw
from harness.wire.forgery import MessageKind
from harness.wire.witness import Marks, Witness
from harness.world.home import behind_a_router
from harness.world.outside import EVERYBODY
from harness.world.world import World
from netlab import Capture, NothingArrived, Tunnel, wait_until, wg_quick

pytestmark = pytest.mark.claim("org-isolation")

_BROADCAST = "10.100.255.255"
_PORT = 4000
_UNANSWERED_S = 1.0
"""Seconds, many times what an answer takes. A control waits for one in the same way, and longer."""


@pytest.mark.conditions(outside="IPv4")
def test_forged_senders_and_broadcasts_reach_nobody(world: World, record: Record) -> None:
    """A machine sends through its tunnel with addresses of another machine, of the hub and of another organization's
    machines as senders, and to broadcast addresses. No packet arrives in either organization.
    """
    acme, bolt = world.organization(record), world.organization(record)
    one, two = acme.machines("one", "two")
    _, other, only = bolt.machines("one", "two", "three")
    one.accept_all_addresses()
    with (
        Witness(two.host, two.tunnel.interface) as at_mate,
        Witness(other.host) as at_other,
        Witness(only.host) as at_only,
    ):
        heard = Marks()
        with record.control("a mate receives a packet that is sent in this way from the machine's own address"):
            raw.send(one.host, one.tunnel.interface, [_probe(one.address, two.address, heard.mark(0))])
            assert {0} <= at_mate.wait_for(heard, {0})
        with record.control("a machine of the other organization receives packets of its own mate"):
            raw.send(other.host, other.tunnel.interface, [_probe(other.address, only.address, heard.mark(1))])
            assert {1} <= at_only.wait_for(heard, {1})

        senders = (two.address, acme.hub_address, only.address, only.underlay_address, "127.0.0.1", *EVERYBODY)
        pairs = [(sender, to) for sender in senders for to in (two.address, only.address)]
        pairs += [(one.address, to) for to in (only.address, _BROADCAST, *EVERYBODY)]
        marks = Marks()
        tried = [_probe(sender, to, marks.mark(number)) for number, (sender, to) in enumerate(pairs)]
        raw.send(one.host, one.tunnel.interface, tried)
        for machine in (one, two, other, only):
            machine.fence()
        for name, seen in {
            "the own organization": at_mate.marks(marks),
            "the other organization": at_other.marks(marks) | at_only.marks(marks),
        }.items():
            record.none_of(
                f"forged packets in {name}",
                ["from {} to {}".format(*pairs[number]) for number in sorted(seen)],
                f"forged packets arrived in {name}",
                of=len(tried),
            )
        with record.control("packets that are not forged arrive as before"):
            raw.send(one.host, one.tunnel.interface, [_probe(one.address, two.address, heard.mark(2))])
            assert {2} <= at_mate.wait_for(heard, {2})
    record.at_least("attempts", len(tried), 20)


@pytest.mark.conditions(loss="none")
def test_a_stolen_configuration_opens_its_own_organization_only(world: World, record: Record) -> None:
    """A stolen key is unknown to every other organization's hub, and with an address that only another organization has
    it reaches nothing.
    """
    acme, bolt = world.organization(record), world.organization(record)
    stolen = acme.add("stolen")
    mate = acme.machine("mate")
    *_, only = bolt.machines("one", "two", "three")
    text, thief = stolen["config"], world.client("thief")
    keys = (acme.organization["hub_public_key"], bolt.organization["hub_public_key"])
    opened = []
    with wg_quick(thief, text.replace(*keys), "mesh.conf") as tunnel:
        if _shakes_hands(tunnel, _UNANSWERED_S):
            opened.append("another organization's hub, by its key")
    with wg_quick(thief, text.replace(stolen["machine"]["address"], only.address), "mesh.conf") as tunnel:
        with record.control("its own organization's hub completes a handshake"):
            assert _shakes_hands(tunnel, HANDSHAKE_DEADLINE)
        opened += [
            f"{address}, under an address of the other organization"
            for address in (acme.hub_address, mate.address)
            if thief.ping(address, timeout=_UNANSWERED_S)
        ]
    record.none_of("opened", opened, "a stolen configuration opened what is not its own")
    with wg_quick(thief, text, "mesh.conf"):
        with record.control("unchanged, it opens its own organization"):
            assert thief.ping(mate.address, timeout=HANDSHAKE_DEADLINE)
        if thief.ping(only.address, timeout=_UNANSWERED_S):
            raise Refuted("a stolen configuration reached a machine of another organization")


@pytest.mark.conditions(outside="IPv4", loss="none")
def test_recorded_messages_open_nothing(world: World, record: Record) -> None:
    """An attacker on the path of a machine records its messages and sends them again: unchanged, into another
    organization's session, and as handshakes with its hub. No machine receives them, and no tunnel is disturbed.
    """
    acme, bolt = world.organization(record), world.organization(record)
    two, (other, only) = acme.machine("two"), bolt.machines("one", "two")
    home = behind_a_router(world, "home-of-one")
    thief = world.client("thief")
    hub = (world.subject.address, int(str(acme.organization["endpoint"]).rpartition(":")[2]))
    marks = Marks()
    with (
        Capture(home.router, home.inside, "udp") as taken,
        Capture(other.host, "eth0", "udp") as at_other,
        Capture(thief, "eth0", "udp") as at_thief,
        Witness(two.host, two.tunnel.interface) as at_mate,
        Witness(only.host, only.tunnel.interface) as at_only,
        thief.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        one = acme.bring_up("one", acme.add("one"), host=home.host)
        with record.control("machines of both organizations receive packets of their mates"):
            _send_mark(one, two, marks.mark(0))
            _send_mark(other, only, marks.mark(1))
            assert at_mate.wait_for(marks, {0}) == {0}
            assert at_only.wait_for(marks, {1}) == {1}
        with record.control("an intercepted message is accepted if the attacker sends it first"):
            before = len(_messages(taken, hub))
            home.router.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
            _send_mark(one, two, marks.mark(2))
            fresh = _wait_for_messages(taken, hub, before)
            for message in fresh:
                sender.sendto(message, hub)
            assert at_mate.wait_for(marks, {2}) == {2}
            home.router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
            one.fence()
            to_thief = len(at_thief.packets())
        for machine in (two, only):
            machine.fence()
        for witness in (at_mate, at_only):
            # ICMP errors about the packets quote their marks.
            witness.marks(marks)

        recorded, theirs = _messages(taken, hub), _messages(at_other, hub)
        (session, *_) = (forgery.receiver_index(each) for each in theirs if forgery.kind(each) is MessageKind.DATA)
        forged = {
            "as they were": recorded,
            "into the other's session": [
                forgery.for_session(each, session) for each in recorded if forgery.kind(each) is MessageKind.DATA
            ],
            "as handshakes with the other's hub": [
                forgery.for_hub(each, bolt.organization["hub_public_key"])
                for each in recorded
                if forgery.kind(each) is MessageKind.INITIATION
            ],
        }
        for way, messages in forged.items():
            record.at_least(f"sent {way}", len(messages), 1, "messages")
            for message in messages:
                sender.sendto(message, hub)
                # Also with the address of the other organization's machine, which everybody on the path sees.
                raw.send(thief, "eth0", [_from(other.underlay_address, hub, message)])
        for machine in (one, two, other, only):
            try:
                machine.fence()
            except Refuted as error:
                raise Refuted(f"a recorded message disturbed a tunnel: {error}") from error
        heard = {"its own": at_mate.marks(marks), "the other": at_only.marks(marks)}
        for name, numbers in heard.items():
            record.none_of(
                f"recorded messages that {name} organization heard",
                sorted(numbers),
                "a recorded message was heard",
                of=2 * sum(map(len, forged.values())),
            )
        answers = [each for each in at_thief.packets()[to_thief:] if each[IP].src == hub[0] and _opens(_message(each))]
        record.none_of(
            "answers to the thief",
            answers,
            "a recorded message was answered",
            of=sum(map(len, forged.values())),
        )
        for source, destination in ((two, one), (only, other)):
            if not source.reaches(destination):
                raise Refuted(f"{source.name} lost {destination.name} to recorded messages")


def _probe(source: str, destination: str, mark: bytes) -> Packet:
    return IP(src=source, dst=destination) / UDP(sport=raw.SOURCE_PORT, dport=_PORT) / mark


def _from(source: str, hub: tuple[str, int], message: bytes) -> Packet:
    return IP(src=source, dst=hub[0]) / UDP(sport=raw.SOURCE_PORT, dport=hub[1]) / message


def _send_mark(source: Machine, destination: Machine, mark: bytes) -> None:
    with source.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(mark, (destination.address, _PORT))


def _shakes_hands(tunnel: Tunnel, deadline_s: float) -> bool:
    try:
        tunnel.wait_for_handshake(deadline_s)
    except NothingArrived:
        return False
    return True


def _messages(capture: Capture, hub: tuple[str, int]) -> list[bytes]:
    """Returns the captured WireGuard messages to the hub."""
    return [
        _message(each)
        for each in capture.packets()
        if (each[IP].dst, each[UDP].dport) == hub and forgery.kind(_message(each)) is not None
    ]


def _message(datagram: Packet) -> bytes:
    return bytes(datagram[UDP].payload)


def _wait_for_messages(capture: Capture, hub: tuple[str, int], before: int) -> list[bytes]:
    wait_until(lambda: len(_messages(capture, hub)) > before, PROBE_DEADLINE)
    return _messages(capture, hub)[before:]


def _opens(message: bytes) -> bool:
    """Returns True for messages that a hub sends only to a peer that it accepts."""
    return forgery.kind(message) in (MessageKind.INITIATION, MessageKind.RESPONSE, MessageKind.DATA)
