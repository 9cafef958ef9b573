"""How many connections one address may hold, and all of them together.

The server accepts whatever comes, and ends what is silent too long. What it can't do is tell one address's connections
from another's, so this looks at the sockets of the process and ends those that are too many.
"""

from __future__ import annotations

import fcntl
import os
import resource
import socket
import stat
import struct
import threading
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import structlog

from appliance.model.addresses import Network
from appliance.web.proxies import is_one_of, neighbourhood

log = structlog.get_logger()

MOST_OF_ONE_ADDRESS = 64
MOST = 4096
_PAUSE = 0.5
_DESCRIPTORS = Path("/proc/self/fd")
# struct tcp_info (linux/tcp.h) as far as tcpi_last_data_recv, in milliseconds.
_TCP_INFO = struct.Struct("@8B12I")
# Established, or ended by the other side alone; one that was ended here is on its way out already.
_OPEN = (1, 8)


@dataclass(frozen=True)
class Bounds:
    """How many are kept.

    Attributes:
        of_one: of one address; of IPv6, of one /64.
        together: of all addresses.
    """

    of_one: int = MOST_OF_ONE_ADDRESS
    together: int = MOST


def allow_many() -> None:
    """As many open files as the host lets this process have: each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def watch(port: int, exempt: Sequence[Network], stopped: threading.Event, bounds: Bounds | None = None) -> None:
    """Keeps the connections to this port of the process within bounds, until it is stopped.

    Args:
        port: where the process listens.
        exempt: addresses in these ranges may have as many as they like of what there is altogether.
        stopped: ends it when it is set.
    """
    bounds = bounds or Bounds()
    # Somebody who uses up every descriptor must not keep us from looking.
    spare = os.open(os.devnull, os.O_RDONLY)
    while not stopped.wait(_PAUSE):
        os.close(spare)
        ended = trim(port, exempt, bounds)
        spare = os.open(os.devnull, os.O_RDONLY)
        if ended:
            log.warning("connections were ended, there were too many", count=ended)
    os.close(spare)


def trim(port: int, exempt: Sequence[Network], bounds: Bounds) -> int:
    """Ends what is beyond the bounds, silent ones first; tells how many that was."""
    descriptors = [int(each.name) for each in _DESCRIPTORS.iterdir()]
    if len(descriptors) <= min(bounds.of_one, bounds.together):
        return 0
    with ExitStack() as opened:
        by_source: defaultdict[str, list[_Connection]] = defaultdict(list)
        for descriptor in descriptors:
            found = _connection(descriptor, port, above=max(descriptors))
            if found is not None:
                opened.enter_context(found.socket)
                known = is_one_of(found.address, exempt)
                by_source["" if known else neighbourhood(found.address)].append(found)
        kept: list[_Connection] = []
        surplus: list[_Connection] = []
        for source, connections in by_source.items():
            connections.sort(key=attrgetter("silent"))
            most = bounds.of_one if source else len(connections)
            kept += connections[:most]
            surplus += connections[most:]
        surplus += sorted(kept, key=attrgetter("silent"))[bounds.together :]
        for each in surplus:
            with suppress(OSError):
                each.socket.shutdown(socket.SHUT_RDWR)
        return len(surplus)


@dataclass(frozen=True)
class _Connection:
    """One that somebody opened to us.

    Attributes:
        socket: a second hold on it, so that it stays the one that was looked at.
        silent: milliseconds since they sent anything.
    """

    socket: socket.socket
    address: str
    silent: int


def _connection(descriptor: int, port: int, *, above: int) -> _Connection | None:
    """What this descriptor is, if it is a connection to this port; it is held ``above`` all that are looked at."""
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return None
        held = socket.socket(fileno=fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, above + 1))
    except OSError:
        # Closed meanwhile, or there is no descriptor left: then those that were found have to do.
        return None
    try:
        if held.family in (socket.AF_INET, socket.AF_INET6) and held.getsockname()[1] == port:
            address = held.getpeername()[0]
            told = _TCP_INFO.unpack(held.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size))
            if told[0] in _OPEN:
                return _Connection(held, address, silent=told[-1])
    except OSError:
        # One that listens has no peer, one that ended has none any more.
        pass
    held.close()
    return None
