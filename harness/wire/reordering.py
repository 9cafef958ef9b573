"""Reordering of WireGuard's messages on a link of the lab, by holding single ones back for a moment.

Kernels without netem have nothing that lets one packet overtake another. So nftables leads some messages into a TAP
device, and a thread of this process sends them on later.
"""

from __future__ import annotations

import fcntl
import itertools
import math
import os
import select
import socket
import struct
import sys
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from harness.judging.verdicts import Inconclusive
from netlab import Lab, Link

HOLD_S = 0.005
"""Seconds for which a message is held back, if nothing else is said."""
ONE_OF = 8
"""Number of a session's data messages among which one is held back."""

_TABLE = "reordering"
_MARK = 0x6F76
_LOOK_NS = 5_000_000
_SETTLED_S = 10.0
_ENOUGH = 50
_TUNSETIFF, _IFF_TAP, _IFF_NO_PI = 0x400454CA, 0x0002, 0x1000  # From <linux/if_tun.h>.
# The message begins behind the UDP header. By https://www.wireguard.com/protocol/, its first word is its kind, and data
# has the receiver's index and a counter of 8 bytes behind it, the lowest first. Nothing waits for keepalives, which are
# data without content.
_DATA, _LOWEST_BITS = "udp length > 40 @th,64,32 0x04000000", f"@th,128,8 & {ONE_OF - 1:#x}"
_HANDSHAKE = "meta l4proto udp @th,64,32 { 0x01000000, 0x02000000 }"
_HELD, _BEHIND = 3, 4
"""Lowest bits of the counter of a message that is held back, and of the next."""
_KIND_OF_DATA = 4
_SESSION = struct.Struct("<4x4sQ")
_ETHERNET, _IPV6, _UDP = 14, 40, 8
"""Bytes of the headers."""
_LONGEST_FRAME = 65536
_numbers = itertools.count()


class Way:
    """A way between machines and their hub on which packets keep their order."""

    def settle(self) -> bool:
        """Waits until everything that is held back by now has been sent on; returns False if nothing ever is."""
        return False

    def held_until(self, at_ns: int) -> int:
        """Returns the time at which the last packet that may have been held back at a time was sent on; 0 if none was.

        Args:
            at_ns: the time, on the monotonic clock.
        """
        del at_ns
        return 0

    def close(self) -> dict[str, str]:
        """Ends what the lab does to the way, and returns in words what it came to."""
        return {}


@dataclass(frozen=True)
class _Message:
    frame: bytes
    read_ns: int
    # Nothing was waiting to be read at this time, so the message came later.
    came_after_ns: int


IN_ORDER = Way()


class Reordering(Way):
    """Reordering of the messages on the hub's link, in both directions, until `close`.

    One of eight data messages of each session is held back for a moment, and every other message of a handshake to the
    hub.

    Args:
        lab: lab of the link.
        link: link of the hub.
        hold_s: seconds for which a message is held back.

    Attributes:
        device: name of the TAP device that takes what is held back.
        held: number of data messages that were held back.
        overtaken: number of data messages that were sent on after the next of their session had passed.

    Raises:
        OSError: this machine can't do it.
    """

    def __init__(self, lab: Lab, link: Link, hold_s: float = HOLD_S) -> None:
        self._hold_ns = round(hold_s * 1e9)
        self.held = self.overtaken = 0
        self._lab = lab
        self._changed = threading.Condition()
        self._waiting: deque[_Message] = deque()
        # Of all messages that were sent on: a time after which each came, and that of its sending.
        self._came_ns: list[int] = []
        self._sent_ns: list[int] = []
        self._sessions: set[tuple[bytes, int]] = set()
        self._empty_ns = time.monotonic_ns()
        self._ends = False
        number = next(_numbers)
        names = f"held{number}", f"behind{number}"
        self._taps = lab.fabric.namespaces.enter(lambda: [_tap(name) for name in names])
        self._out = lab.fabric.namespaces.enter(lambda: _sender(link.switch.interface))
        self.device = names[0]
        try:
            self._divert(link.port, *names)
        except OSError:
            self._close_files()
            raise
        self._thread = threading.Thread(target=self._run, name="reordering", daemon=True)
        self._thread.start()

    def settle(self) -> bool:
        """Waits until everything that is held back by now has been sent on, and returns True.

        Raises:
            TimeoutError: it is not for 10 s.
        """
        now = time.monotonic_ns()
        with self._changed:
            if self._thread.is_alive() and not self._changed.wait_for(lambda: self._has_sent(now), _SETTLED_S):
                raise TimeoutError(f"the lab holds messages back for {_SETTLED_S:.0f} s")
        return True

    def held_until(self, at_ns: int) -> int:
        """Returns the time at which the last message that may have come before a time was sent on.

        It is 0 if no message was held back, and past all times as long as one may be.
        """
        with self._changed:
            if not self._has_sent(at_ns):
                return sys.maxsize
            last = bisect_left(self._came_ns, at_ns)
            return self._sent_ns[last - 1] if last else 0

    def close(self) -> dict[str, str]:
        """Ends the reordering once everything was sent on, and returns in words what it came to.

        Raises:
            Inconclusive: many messages were held back and none was overtaken, or the lab lost some.
        """
        self._lab.fabric.run(("nft", "delete", "table", "netdev", _TABLE), check=False)
        self._ends = True
        self._thread.join()
        statistics = self._lab.fabric.run(("ip", "-s", "link", "show", self.device)).stdout.splitlines()
        # The last line is of what the kernel sent into the device: bytes, packets, errors, dropped.
        dropped = int(statistics[-1].split()[3]) + len(self._waiting)
        self._close_files()
        if dropped:
            raise Inconclusive(f"the lab lost {dropped} of the messages that it held back")
        if self.held >= _ENOUGH and not self.overtaken:
            raise Inconclusive(f"the lab held {self.held} messages back, and none was overtaken")
        overtaken = str(self.overtaken) if self.overtaken else "nothing: none"
        return {
            "reordered": f"{overtaken} of {self.held} messages that were held back for {self._hold_ns // 1_000_000} ms"
        }

    def _close_files(self) -> None:
        for tap in self._taps:
            os.close(tap)
        self._out.close()

    def _divert(self, port: str, held: str, behind: str) -> None:
        data = f"""
            {_DATA} {_LOWEST_BITS} == {_HELD} fwd to "{held}"
            {_DATA} {_LOWEST_BITS} == {_BEHIND} dup to "{behind}"
        """
        rules = f"""
            table netdev {_TABLE} {{
                chain to-hub {{
                    type filter hook egress device "{port}" priority 0;
                    meta mark {_MARK} accept
                    {_HANDSHAKE} numgen inc mod 2 == 0 fwd to "{held}"
                    {data}
                }}
                chain from-hub {{
                    type filter hook ingress device "{port}" priority 0;
                    {data}
                }}
            }}
        """
        up = [self._lab.fabric.run(("ip", "link", "set", name, "up"), check=False) for name in (held, behind)]
        for done in (*up, self._lab.fabric.run(("nft", "-f", "-"), input=rules, check=False)):
            if done.returncode:
                raise OSError(" ".join(done.stderr.split())[:200])

    def _run(self) -> None:
        held, behind = self._taps
        arrivals = select.poll()
        for tap in self._taps:
            arrivals.register(tap, select.POLLIN)
        is_last = False
        while not is_last or self._waiting:
            is_last = self._ends
            now = time.monotonic_ns()
            due_ns = self._waiting[0].read_ns + self._hold_ns - now if self._waiting else _LOOK_NS
            arrivals.poll(max(0, math.ceil(due_ns / 1e6)))
            looked_ns = time.monotonic_ns()
            with self._changed:
                # Read first: what has passed came after what it overtook, which is there to be taken now.
                passed = list(_frames(behind))
                self._take(held)
                self._count(passed)
                self._send_due()
                self._empty_ns = looked_ns
                self._changed.notify_all()

    def _take(self, tap: int) -> None:
        for frame in _frames(tap):
            self._waiting.append(_Message(frame, time.monotonic_ns(), self._empty_ns))
            if session := _session(frame):
                self.held += 1
                self._sessions.add(session)

    def _count(self, passed: Iterable[bytes]) -> None:
        """Counts the messages that others overtook, by copies of those that passed."""
        for frame in passed:
            if session := _session(frame):
                index, counter = session
                self.overtaken += (index, counter - 1) in self._sessions

    def _send_due(self) -> None:
        while self._waiting and self._waiting[0].read_ns + self._hold_ns <= time.monotonic_ns():
            message = self._waiting[0]
            self._out.send(message.frame)
            self._waiting.popleft()
            self._came_ns.append(message.came_after_ns)
            self._sent_ns.append(time.monotonic_ns())
            if session := _session(message.frame):
                self._sessions.discard(session)

    def _has_sent(self, now_ns: int) -> bool:
        """True if everything that came before a time was read, and sent on."""
        return self._empty_ns > now_ns and not (self._waiting and self._waiting[0].came_after_ns <= now_ns)


def _tap(name: str) -> int:
    """Makes a TAP device in this network namespace, and returns its descriptor."""
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI))
    except OSError:
        os.close(tap)
        raise
    return tap


def _sender(bridge: str) -> socket.socket:
    """Makes a socket whose frames take the way of the bridge, with a mark that the rules let pass."""
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    out.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, _MARK)
    out.bind((bridge, 0))
    return out


def _frames(tap: int) -> Iterator[bytes]:
    """Yields the frames that have come to a device, until there is none."""
    with suppress(BlockingIOError):
        while True:
            yield os.read(tap, _LONGEST_FRAME)


def _session(frame: bytes) -> tuple[bytes, int] | None:
    """Returns the receiver's index and the counter of a data message; None for a message of a handshake."""
    first = frame[_ETHERNET]
    message = _ETHERNET + _UDP + (_IPV6 if first >> 4 == 6 else (first & 15) * 4)
    return _SESSION.unpack_from(frame, message) if frame[message] == _KIND_OF_DATA else None
