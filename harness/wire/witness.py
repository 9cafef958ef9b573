"""Records packets on a host's links and finds marks in them."""

from __future__ import annotations

import os
import re
import socket
import struct
import time
from dataclasses import dataclass
from types import TracebackType

from harness.judging.verdicts import Inconclusive
from netlab import Host, recorder

_ALL = 3  # ETH_P_ALL
_SOL_PACKET, _STATISTICS = 263, 6
# Room for the frames between two readings, which are many on an emulated processor.
_BUFFER = 64 << 20
_MOST_BYTES = 65536
_DEADLINE = 5.0
_NUMBER = struct.Struct("!H")


class Marks:
    """Numbers that can be put into packets and found again in any packet that carries them."""

    def __init__(self) -> None:
        self._token = os.urandom(10)
        self._found = re.compile(re.escape(self._token) + b"(..)", re.DOTALL)

    def mark(self, number: int) -> bytes:
        """Returns the twelve bytes that stand for a number from 0 to 65535."""
        return self._token + _NUMBER.pack(number)

    def within(self, frame: bytes) -> set[int]:
        """Returns the numbers whose marks are in a frame."""
        return {_NUMBER.unpack(found)[0] for found in self._found.findall(frame)}


@dataclass(frozen=True)
class Frame:
    """A packet that passed a link.

    Attributes:
        link: name of the interface.
        data: bytes from the Ethernet or IP header on.
    """

    link: str
    data: bytes


class Witness:
    """Records what passes a host's links from its creation on, also on links that are made later. Close it by ``with``.

    Args:
        host: host whose links are watched.
        link: name of a single interface; None for all.
        filter: pcap-filter(7) expression, with a single interface only; "" for everything.
        buffer: bytes of room for frames between two readings.
    """

    def __init__(self, host: Host, link: str | None = None, filter: str = "", buffer: int = _BUFFER) -> None:
        self._host = host
        # Protocol 0 receives nothing until it is bound.
        self._socket = host.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL) if link is None else 0)
        recorder.enlarge_buffer(self._socket, buffer)
        self._socket.setblocking(False)
        if link is not None:
            if filter:
                _, type_name = host.in_network(lambda: recorder.link_type(link))
                recorder.attach_filter(self._socket, recorder.compile_filter(type_name, filter, str(_MOST_BYTES)))
            self._socket.bind((link, _ALL))

    def __enter__(self) -> Witness:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def frames(self) -> list[Frame]:
        """Returns the frames since the last call.

        Raises:
            Inconclusive: the lab lost frames.
        """
        seen = []
        while True:
            try:
                data, address = self._socket.recvfrom(_MOST_BYTES)
            except BlockingIOError:
                break
            seen.append(Frame(address[0], data))
        _, dropped = struct.unpack("=II", self._socket.getsockopt(_SOL_PACKET, _STATISTICS, 8))
        if dropped:
            raise Inconclusive(f"{dropped} frames in {self._host.name} were not seen")
        return seen

    def marks(self, marks: Marks) -> set[int]:
        """Returns the numbers of marks that passed since the last call.

        Raises:
            Inconclusive: the lab lost frames.
        """
        found: set[int] = set()
        for frame in self.frames():
            found |= marks.within(frame.data)
        return found

    def wait_for(self, marks: Marks, wanted: set[int]) -> set[int]:
        """Returns the numbers of marks that passed since the last call; waits up to 5 s for those in ``wanted``.

        Raises:
            Inconclusive: the lab lost frames.
        """
        deadline = time.monotonic() + _DEADLINE
        found = self.marks(marks)
        while not wanted <= found and time.monotonic() < deadline:
            time.sleep(0.002)
            found |= self.marks(marks)
        return found
