"""Starts processes that can't listen for what the kernel tells of other links."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

log = structlog.get_logger()

_SOCKADDR_NL_BYTES = 12
"""Addresses of other families that a WireGuard binds are longer: 16 (IPv4), 28 (IPv6), a path."""


class Launcher:
    """Starts processes whose netlink sockets join no multicast group, though their `bind` says that they did.

    wireguard-go listens for every change of a link, address or route in the namespace that it was started in. All of
    them are started in one, so that the making of a link would wake them all: work that grows with the square of their
    number. What such a process needs it is given, and its link lives in another namespace anyway.

    A filter belongs to a thread and to what that starts (seccomp(2)), so the launcher has a thread of its own.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "launcher", initializer=_be_deaf)

    def start(self, command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Takes what `subprocess.Popen` takes, and raises what it raises."""
        return self._thread.submit(lambda: subprocess.Popen(command, **options)).result()


def _be_deaf() -> None:
    try:
        # It looks for libseccomp, which all but the smallest hosts have.
        import pyseccomp

        rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
        rules.set_attr(pyseccomp.Attr.CTL_SSB, 1)
        rules.add_rule(pyseccomp.ERRNO(0), "bind", pyseccomp.Arg(2, pyseccomp.EQ, _SOCKADDR_NL_BYTES))
        rules.load()
    except (OSError, RuntimeError) as error:
        # It works without, only slower the more organizations there are.
        log.warning("each WireGuard process will hear of every link", error=str(error))
