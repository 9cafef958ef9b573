"""Denied machines can't exchange ICMP errors either: an error has to come from an endpoint of its connection."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from harness.judging.record import Record
from harness.overlay import icmp_errors
from harness.overlay.icmp_errors import QuotedConnection
from harness.overlay.machine import PROBE_DEADLINE, Machine
from harness.overlay.mesh import rule_between
from harness.overlay.truth import CellKey, PortProtocol
from harness.wire import raw
from harness.world.world import World
from netlab import TcpListener

pytestmark = pytest.mark.claim("policy-enforcement")

_PORT = 4000
_TCP, _UDP, _PING = PortProtocol("tcp", _PORT), PortProtocol("udp", _PORT), PortProtocol("icmp")
_IDENTIFIER = 0x6D77


def test_denied_machines_receive_no_icmp_errors(world: World, record: Record) -> None:
    """Under default deny, two machines may reach a third one alone. Every kind of ICMP error goes from each machine to
    each other, about every connection, quoting either direction; only those of a connection's own endpoint arrive.
    Errors about a connection that the two had before they were denied are dropped, too.
    """
    mesh = world.organization(record)
    asha, bela, third = machines = mesh.machines("asha", "bela", "third")
    pairs = [(asha, bela), (bela, asha), (asha, third), (bela, third)]
    with ExitStack() as stack:
        for destination in (bela, asha, third):
            stack.enter_context(TcpListener(destination.host, _PORT, destination.address))
        connections = [each for pair in pairs for each in _opened(*pair, stack)]
        tried = list(icmp_errors.about(connections, machines))
        with record.control("while all is allowed, errors of every endpoint, connection and kind arrive"):
            ends = [each for each in tried if each.is_from_endpoint and each.kind not in icmp_errors.NEVER_DELIVERED]
            assert set(icmp_errors.delivered(mesh, ends)) == set(ends)
        rules = [rule_between("deny", *pair) for pair in pairs[:2]] + [
            rule_between("allow", *pair) for pair in pairs[2:]
        ]
        mesh.save("deny", rules)
        heard = icmp_errors.check(mesh, tried)
        with record.control("a machine receives a port-unreachable error from the third one's kernel"):
            assert _is_refused(asha, third)
    record.at_least("errors tried", len(tried), 500)
    record.at_least("of them from an endpoint of an allowed connection", heard, 40)


def _opened(source: Machine, destination: Machine, stack: ExitStack) -> Iterator[QuotedConnection]:
    """Opens a connection of each kind, for as long as the stack is open."""
    for service, kind in ((_TCP, socket.SOCK_STREAM), (_UDP, socket.SOCK_DGRAM)):
        opened = stack.enter_context(source.host.socket(socket.AF_INET, kind))
        opened.settimeout(PROBE_DEADLINE)
        opened.bind((source.address, 0))
        opened.connect((destination.address, _PORT))
        opened.send(b"opened")
        yield QuotedConnection(CellKey(source, destination, service), opened.getsockname()[1])
    ping = QuotedConnection(CellKey(source, destination, _PING), _IDENTIFIER)
    raw.send(source.host, source.tunnel.interface, [ping.packet(of_reply=False)])
    yield ping


def _is_refused(source: Machine, destination: Machine) -> bool:
    with source.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(PROBE_DEADLINE)
        asking.connect((destination.address, _PORT + 1))
        asking.send(b"is anybody there?")
        try:
            asking.recv(1)
        except ConnectionRefusedError:
            return True
        except TimeoutError:
            return False
    return False
