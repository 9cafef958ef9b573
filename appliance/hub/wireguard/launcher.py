"""Launcher of WireGuard processes with a filter for system calls that they don't need."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

from appliance import loading

log = structlog.get_logger()

_SOCKADDR_NL_BYTES = 12
"""Addresses of other families that a WireGuard binds are longer: 16 (IPv4), 28 (IPv6), a path."""
_SIOCSIFMTU, _SIOCGIFINDEX = 0x8922, 0x8933


class Launcher:
    """Starts processes for which joining a netlink group, setting a link's MTU and asking for its index do nothing.

    wireguard-go listens for every change of a link, address or route in the namespace that it was started in. All of
    them are started in one, so that the making of a link would wake them all: work that grows with the square of their
    number. The MTU is the one thing that it needs a capability for, and the hub has set it already. The index tells the
    link's changes from others'; a link in another namespace has none there, for which the process would end.

    A filter belongs to a thread and to the processes that it starts (seccomp(2)), so the launcher has its own thread.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "launcher")
        self.is_filtering = self._thread.submit(_filter).result()
        """True if there is a filter; without one, a process needs CAP_NET_ADMIN."""

    def start(self, command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start a process; arguments and errors are those of `subprocess.Popen`."""
        return self._thread.submit(lambda: subprocess.Popen(command, **options)).result()


def _filter() -> bool:
    try:
        # It looks for libseccomp, which all but the smallest hosts have.
        with loading.named_libraries():
            import pyseccomp

        rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
        rules.set_attr(pyseccomp.Attr.CTL_SSB, 1)
        rules.add_rule(pyseccomp.ERRNO(0), "bind", pyseccomp.Arg(2, pyseccomp.EQ, _SOCKADDR_NL_BYTES))
        for request in (_SIOCSIFMTU, _SIOCGIFINDEX):
            rules.add_rule(pyseccomp.ERRNO(0), "ioctl", pyseccomp.Arg(1, pyseccomp.EQ, request))
        rules.load()
    except (OSError, RuntimeError) as error:
        # It works without, only slower the more organizations there are.
        log.warning("each WireGuard process hears of every link and keeps CAP_NET_ADMIN", error=str(error))
        return False
    return True
