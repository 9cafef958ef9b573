"""Packets that prove a mesh, and packets that refute one."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from typing import cast

import pytest

from harness.burst import proof
from harness.burst.proof import PORT, MeshEndpoint, Unproven, exchange
from netlab import Host, Lab
from tests.sandboxes import need_sandbox


@pytest.fixture
def ends() -> Iterator[tuple[MeshEndpoint, MeshEndpoint, Host]]:
    """Makes two machines and a stranger on one switch."""
    need_sandbox()
    with Lab() as lab:
        switch = lab.switch("mesh")
        hosts = [lab.host(name) for name in ("mumbai", "pune", "stranger")]
        for number, host in enumerate(hosts, start=2):
            lab.connect(host, switch, f"10.100.0.{number}/24")
        yield MeshEndpoint(hosts[0], "10.100.0.2"), MeshEndpoint(hosts[1], "10.100.0.3"), hosts[2]


def test_machines_that_reach_each_other_are_proven(ends: tuple[MeshEndpoint, MeshEndpoint, Host]) -> None:
    first, second, _ = ends
    assert exchange(first, second, 5.0) > 0
    # The first exchange leaves nothing behind that disturbs a second.
    assert exchange(second, first, 5.0) > 0


def make_deaf(host: Host) -> None:
    """Drops all UDP packets to a host."""
    host.run("nft", "add table inet deaf; add chain inet deaf in { type filter hook input priority 0; }")
    host.run("nft", "add rule inet deaf in meta l4proto udp drop")


def test_a_machine_that_hears_nothing_is_named(ends: tuple[MeshEndpoint, MeshEndpoint, Host]) -> None:
    first, second, _ = ends
    make_deaf(second.host)
    with pytest.raises(Unproven, match=r"10\.100\.0\.3 heard nothing of 10\.100\.0\.2, number 0, in 0 s"):
        exchange(first, second, 0.3)


def test_both_directions_are_needed(ends: tuple[MeshEndpoint, MeshEndpoint, Host]) -> None:
    first, second, _ = ends
    make_deaf(first.host)
    with pytest.raises(Unproven, match=r"10\.100\.0\.2 heard nothing of 10\.100\.0\.3, number 1"):
        exchange(first, second, 0.3)


@pytest.mark.parametrize(
    "packet", [os.urandom(proof.PACKET.size), b"", b"hello"], ids=["a twin's number", "nothing", "something else"]
)
def test_a_strangers_packet_is_noticed(ends: tuple[MeshEndpoint, MeshEndpoint, Host], packet: bytes) -> None:
    first, second, stranger = ends
    second.host.run("nft", "add table inet t; add chain inet t in { type filter hook input priority 0; }")
    second.host.run("nft", f"add rule inet t in ip saddr {first.address} udp dport {PORT} drop")
    done = threading.Event()

    def shout() -> None:
        with stranger.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            while not done.wait(0.01):
                sock.sendto(packet, (second.address, PORT))

    thread = threading.Thread(target=shout)
    thread.start()
    try:
        with pytest.raises(Unproven, match=r"10\.100\.0\.3 received a packet that its organization did not send"):
            exchange(first, second, 5.0)
    finally:
        done.set()
        thread.join()


def test_a_number_of_another_sender_or_exchange_is_noticed() -> None:
    host = cast(Host, None)
    ends = MeshEndpoint(host, "10.100.0.2"), MeshEndpoint(host, "10.100.0.3")
    token = os.urandom(8)
    number = proof.PACKET.pack(token, 4)
    assert proof.is_expected(number, "10.100.0.2", token, 4, ends, listener=1)
    # A repetition of an earlier number.
    assert not proof.is_expected(number, "10.100.0.2", token, 6, ends, listener=1)
    for packet, source, listener in (
        (number, "10.100.0.9", 1),
        (number, "10.100.0.3", 0),
        (proof.PACKET.pack(token, 6), "10.100.0.2", 1),
        (proof.PACKET.pack(os.urandom(8), 4), "10.100.0.2", 1),
    ):
        with pytest.raises(Unproven):
            proof.is_expected(packet, source, token, 4, ends, listener)


def test_a_machine_without_its_address_is_named(ends: tuple[MeshEndpoint, MeshEndpoint, Host]) -> None:
    first, second, _ = ends
    with pytest.raises(Unproven, match=r"does not have its address 10\.100\.0\.77"):
        exchange(first, MeshEndpoint(second.host, "10.100.0.77"), 1.0)
