"""Packet captures in hosts, in files that every analyser reads."""

from __future__ import annotations

import fcntl
import re
import socket
import struct
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from netlab import pcap
from netlab.errors import CommandFailed, NetlabError, NothingArrived, Unsupported

if TYPE_CHECKING:
    from netlab.host import Host

_SIOCGIFHWADDR = 0x8927
# Of an interface (ARPHRD_…): the pcap link type, and tcpdump's name for it.
_LINK_TYPES = {1: (1, "EN10MB"), 772: (1, "EN10MB"), 65534: (101, "RAW")}
_RECORDER = Path(__file__).with_name("recorder.py")


class Capture:
    """A running capture. It is listening once it is made; `with` or `stop()` ends it. Made by `Host.capture`.

    Attributes:
        path: the pcap file: Ethernet for veth links, raw IP for TUN and WireGuard links.
    """

    def __init__(self, host: Host, interface: str, filter: str = "", snaplen: int = 262144) -> None:
        """Starts to record, and waits until it does.

        Args:
            host: where.
            interface: name of one of its links.
            filter: a pcap-filter(7) expression (compiled by tcpdump); everything if empty.
            snaplen: bytes kept of each packet.

        Raises:
            NetlabError: no such interface, or no such filter.
            Unsupported: a kind of link that is unknown here, or a filter without tcpdump installed.
        """
        number = len(list(host.folder.glob(f"{interface}-*.pcap")))
        self.path: Path = host.folder / f"{interface}-{number}.pcap"
        link_type, type_name = _link_type(host, interface)
        program = _compile(host, type_name, filter, snaplen) if filter else [f"6,0,0,{snaplen}"]
        self._process = host.start(
            sys.executable, "-I", "-S", _RECORDER, interface, str(link_type), self.path, *program, log=self.path.name
        )
        try:
            self._process.wait_for_log("listening\n", 5.0)
        except NothingArrived:
            self._process.stop()
            raise NetlabError(f"capture in {host.name}: {self._process.log_text().strip()}") from None

    def __enter__(self) -> Capture:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends it when all that it has seen is written. May be called twice."""
        self._process.stop(grace_s=5.0)

    @property
    def dropped(self) -> int | None:
        """Packets that the kernel dropped because the recorder was too slow; None until it is stopped."""
        found = re.search(r"^dropped (\d+)$", self._process.log_text(), re.MULTILINE)
        return int(found[1]) if found else None

    def packets(self) -> list[pcap.Packet]:
        """What it has captured so far."""
        if self._process.poll() is None:
            self._settle()
        return pcap.read(self.path.read_bytes())

    def _settle(self, timeout_s: float = 2.0) -> None:
        """Waits until the recorder sleeps: every packet wakes it, so then there is none left to write."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            # The state follows the program's name, which stands in parentheses.
            state = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()[0]
            if state in "SZX":
                return
            time.sleep(0.0005)


def _link_type(host: Host, interface: str) -> tuple[int, str]:
    request = struct.pack("16s24x", interface.encode())
    try:
        with host.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            (kind,) = struct.unpack_from("H", fcntl.ioctl(sock, _SIOCGIFHWADDR, request), 16)
    except OSError as error:
        raise NetlabError(f"capture in {host.name}: {interface}: {error.strerror}") from error
    if kind not in _LINK_TYPES:
        raise Unsupported(f"capture in {host.name}: {interface} is a link of kind {kind}, unknown here")
    return _LINK_TYPES[kind]


def _compile(host: Host, type_name: str, expression: str, snaplen: int) -> list[str]:
    """Compiles a filter to instructions of the kernel's packet filter; opens no interface."""
    try:
        done = host.run("tcpdump", "-ddd", "-s", str(snaplen), "-y", type_name, expression)
    except CommandFailed as error:
        if error.returncode is None:
            raise Unsupported("filters of captures need tcpdump, which is not installed") from error
        raise NetlabError(f"capture filter {expression!r}: {error.stderr.strip()}") from error
    # The first line is the number of instructions.
    return [line.replace(" ", ",") for line in done.stdout.splitlines()[1:]]
