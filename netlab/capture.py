"""Packet captures in hosts, written to pcap files."""

from __future__ import annotations

import re
import signal
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from netlab.errors import NetlabError, NothingArrived, Unsupported
from netlab.host import Host

if TYPE_CHECKING:
    from scapy.packet import Packet

_START_S, _WRITTEN_S = 10.0, 10.0
# Ends of the recorder's messages about a feature that this host lacks and others have.
_LACKING = ("is not installed", "unknown here")
_RECORDER = Path(__file__).with_name("recorder.py")


class Capture:
    """A packet capture that runs on one interface of a host; `with` or `stop()` ends it.

    Attributes:
        path: the pcap file (draft-ietf-opsawg-pcap), in the host's folder. Its link type is Ethernet for veth links,
            and raw IP for TUN and WireGuard links.

    Example:
        >>> with Capture(pune, "eth0", "icmp") as capture:
        ...     mumbai.ping("192.0.2.12")
        ...     request, reply = capture.packets()
    """

    def __init__(self, host: Host, interface: str, filter: str = "", snaplen: int = 262144) -> None:
        """Starts to record, and returns once packets are recorded.

        Args:
            host: the host that has the interface.
            interface: name of the interface.
            filter: a pcap-filter(7) expression, which tcpdump compiles; an empty one takes every packet.
            snaplen: most bytes to keep of each packet.

        Raises:
            NetlabError: there is no such interface, or the filter has an error.
            Unsupported: no pcap link type is known here for the interface, or a filter was given and the host has no
                tcpdump.
        """
        name = f"{interface}-{host.number()}.pcap"
        self.path = host.folder / name
        self._host = host
        self._asked = 0
        self._process = host.start_tool(_RECORDER, interface, self.path, str(snaplen), filter, log=name)
        try:
            self._process.wait_for_log("listening\n", _START_S)
        except NothingArrived:
            self._process.stop()
            reason = self._process.log_text().strip()
            kind = Unsupported if reason.endswith(_LACKING) else NetlabError
            raise kind(f"capture in {host.name}: {reason}") from None

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the recording, once every packet that was seen is in the file. May be called twice."""
        self._process.stop(grace_s=5.0)

    @property
    def dropped(self) -> int | None:
        """Number of packets that the kernel dropped because the recorder was too slow; None while it records."""
        return self._number(r"dropped (\d+)")

    def packets(self) -> list[Packet]:
        """Reads the packets captured so far, up to those from just before the call. Needs the extra `netlab-pcap`.

        Returns:
            Packets as scapy dissects them, such as `packet[IP].src` and `bytes(packet[UDP].payload)`. Their `time` is
            Unix time in seconds, their `wirelen` the length in bytes with the link's header.

        Raises:
            NothingArrived: the recorder does not answer.
        """
        # scapy takes half a second to load, which programs that read no captures should not wait for.
        from scapy.layers import inet6  # noqa: F401 - has scapy know IP in its readers
        from scapy.utils import rdpcap

        size = None
        if self._process.poll() is None:
            self._asked += 1
            self._process.signal(signal.SIGUSR1)
            self._process.wait_for_log(f" bytes, answer {self._asked}\n", _WRITTEN_S)
            size = self._number(rf"(\d+) bytes, answer {self._asked}")
        return list(rdpcap(BytesIO(self._host.read(self.path)[:size])))

    def _number(self, line: str) -> int | None:
        found = re.search(f"^{line}$", self._process.log_text(), re.MULTILINE)
        return int(found[1]) if found else None
