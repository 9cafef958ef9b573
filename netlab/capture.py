"""Packet captures in hosts, in files that every analyser reads."""

from __future__ import annotations

import re
import signal
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from netlab.errors import NetlabError, NothingArrived, Unsupported
from netlab.host import Host

if TYPE_CHECKING:
    from scapy.packet import Packet

_START_S, _WRITTEN_S = 10.0, 10.0
# How the recorder's words end when something is not there that others have.
_LACKING = ("is not installed", "unknown here")
_RECORDER = Path(__file__).with_name("recorder.py")


class Capture:
    """A running capture. It is listening once it is made; `with` or `stop()` ends it.

    Attributes:
        path: the pcap file, in its host: Ethernet for veth links, raw IP for TUN and WireGuard links.
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
        return self._number(r"dropped (\d+)")

    def packets(self) -> list[Packet]:
        """Reads what was captured so far, up to the packets of just before the call. Needs the extra `netlab-pcap`.

        Returns:
            Packets as scapy dissects them, such as `packet[IP].src` and `bytes(packet[UDP].payload)`; `time` is Unix
            time in seconds, `wirelen` the length in bytes with the link's header.
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
