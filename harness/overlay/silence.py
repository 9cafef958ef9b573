"""Pings of which none may arrive, from machines and keys that are out of service, or to them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from scapy.layers.inet import ICMP, IP

from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay.machine import Machine
from harness.wire import raw
from harness.wire.witness import Marks, Witness
from netlab import wait_until

_DEADLINE = 5.0
_LEAST = 32 + 28 + 12
"""Smallest size in WireGuard of a ping with a mark: overhead of a data packet, IP and ICMP headers, mark; bytes."""
# Places in an IPv4 packet without options.
_DESTINATION, _KIND_OF_ICMP = slice(16, 20), 20
_PINGS_AND_ANSWERS = (8, 0)
"""Types of ICMP. An error about a ping quotes it, and is no answer."""


@dataclass(frozen=True)
class Attempt:
    """Pings of one machine of which none may arrive, and none may be answered.

    Attributes:
        what: what reaches somebody if one arrives, in words.
        sender: the machine, with its tunnel up.
        targets: overlay addresses that it pings.
    """

    what: str
    sender: Machine
    targets: tuple[str, ...]


def check_silence(attempts: Sequence[Attempt], machines: Sequence[Machine], settle: Callable[[], None]) -> None:
    """Sends the pings, and checks that none comes out of a tunnel, and no answer to one.

    Args:
        attempts: the pings, by one attempt of each sender.
        machines: machines at which they may come out, beside the senders.
        settle: returns once everything that the hub let through has arrived.

    Raises:
        Refuted: one was delivered or answered.
        Inconclusive: a machine sent nothing.
    """
    marks = Marks()
    with ExitStack() as stack:
        seen = [
            (machine, stack.enter_context(Witness(machine.host, machine.tunnel.interface)))
            for machine in dict.fromkeys([*machines, *(each.sender for each in attempts)])
        ]
        enough = [_transmitted(each.sender) + len(each.targets) * _LEAST for each in attempts]
        for number, each in enumerate(attempts):
            sender = each.sender
            pings = [IP(src=sender.address, dst=target) / ICMP() / marks.mark(number) for target in each.targets]
            raw.send(sender.host, sender.tunnel.interface, pings)
        for each, least in zip(attempts, enough, strict=True):
            _wait_until_transmitted(each.sender, least)
        settle()
        reached = [
            f"{attempts[number].what} still reaches {_called(machine, attempts[number])}"
            for machine, witness in seen
            for number in sorted(_received(machine, witness, marks))
        ]
    if reached:
        raise Refuted("; ".join(dict.fromkeys(reached)))


def _received(machine: Machine, witness: Witness, marks: Marks) -> set[int]:
    """Returns the numbers of marks that came to a machine; its own packets pass its link, too."""
    own = socket.inet_aton(machine.address)
    found: set[int] = set()
    for frame in witness.frames():
        if frame.data[_DESTINATION] == own and frame.data[_KIND_OF_ICMP] in _PINGS_AND_ANSWERS:
            found |= marks.within(frame.data)
    return found


def _called(machine: Machine, attempt: Attempt) -> str:
    return f"somebody who answers {machine.name}" if machine is attempt.sender else machine.name


def _transmitted(machine: Machine) -> int:
    return sum(peer.tx_bytes for peer in machine.tunnel.peers())


def _wait_until_transmitted(machine: Machine, enough: int) -> None:
    """Waits until a machine's own WireGuard counts ``enough`` sent bytes, since nobody answers it."""
    if not wait_until(lambda: _transmitted(machine) >= enough, _DEADLINE):
        raise Inconclusive(f"{machine.name} sent nothing for {_DEADLINE:.0f} s")
