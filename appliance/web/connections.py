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
from appliance.web.proxies import is_one_of, networks_of

log = structlog.get_logger()

MOST_OF_ONE_ADDRESS = 64
MOST = 4096
_PAUSE = 0.5
_DESCRIPTORS = Path("/proc/self/fd")
# struct tcp_info (linux/tcp.h) as far as tcpi_last_data_recv, in milliseconds.
_TCP_INFO = struct.Struct("@8B12I")
# Established, or ended by the other side alone; one that was ended here is on its way out already.
_OPEN = (1, 8)
# For an address, a /56 and a /48.
_FACTORS = (1, 2, 4)
_FIRST = 64
LONGEST_UNREAD_S = 30.0
"""Seconds that an answer waits for a client that takes nothing of it."""


@dataclass(frozen=True)
class Bounds:
    """How many are kept.

    Attributes:
        of_one: of one address; of IPv6, of one /64. A /56 has twice as many, a /48 four times.
        together: of all addresses.
    """

    of_one: int = MOST_OF_ONE_ADDRESS
    together: int = MOST


@dataclass(frozen=True)
class Connection:
    """One that somebody opened to us.

    Attributes:
        socket: a second hold on it, so that it stays the one that was looked at.
        silent: milliseconds since they sent anything.
    """

    socket: socket.socket
    address: str
    silent: int


def allow_many() -> None:
    """As many open files as the host lets this process have: each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def watch(
    port: int,
    exempt: Sequence[Network],
    stopped: threading.Event,
    bounds: Bounds | None = None,
    unread_seconds: float = LONGEST_UNREAD_S,
) -> None:
    """Keeps the connections to this port of the process within bounds, until it is stopped.

    Args:
        port: where the process listens.
        exempt: addresses in these ranges may have as many as they like of what there is altogether.
        stopped: ends it when it is set.
        unread_seconds: as for `end_unread`.
    """
    bounds = bounds or Bounds()
    # Somebody who uses up every descriptor must not keep us from looking.
    spare = _spare()
    while not stopped.wait(_PAUSE):
        spare.close()
        try:
            end_unread(port, unread_seconds)
            ended = trim(port, exempt, bounds)
        except OSError as error:
            # No descriptor to look with, not even the spare one: the next look may find one.
            log.error("connections can't be looked at now", error=str(error))
            ended = 0
        spare = _spare()
        if ended:
            log.warning("connections were ended, there were too many", count=ended)
    spare.close()


def _spare() -> ExitStack:
    """Hold a descriptor that can be given up; none where there is none left."""
    held = ExitStack()
    with suppress(OSError):
        held.callback(os.close, os.open(os.devnull, os.O_RDONLY))
    return held


def end_unread(port: int, seconds: float, first: int = _FIRST) -> None:
    """Has the kernel end connections to this port whose client takes nothing of an answer for so long (tcp(7)).

    Connections have it from the socket that listens, which is among the first descriptors. The server opens that when
    it likes, so this is repeated, and reaches the first connections themselves.

    Args:
        first: number of descriptors to look at.
    """
    for descriptor in range(first):
        held = _tcp_socket(descriptor, port)
        if held is not None:
            with held:
                held.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * seconds))


def trim(port: int, exempt: Sequence[Network], bounds: Bounds) -> int:
    """Ends what is beyond the bounds, silent ones first; tells how many that was."""
    descriptors = [int(each.name) for each in _DESCRIPTORS.iterdir()]
    if len(descriptors) <= min(bounds.of_one, bounds.together):
        return 0
    with ExitStack() as opened:
        found = []
        for descriptor in descriptors:
            connection = _connection(descriptor, port, above=max(descriptors))
            if connection is not None:
                opened.enter_context(connection.socket)
                found.append(connection)
        ending = beyond(found, exempt, bounds)
        for each in ending:
            with suppress(OSError):
                each.socket.shutdown(socket.SHUT_RDWR)
        return len(ending)


def beyond(connections: Sequence[Connection], exempt: Sequence[Network], bounds: Bounds) -> list[Connection]:
    """The connections that are too many: of an address, of a network that it is in, and altogether; silent ones first.

    Args:
        exempt: as for `watch`.
    """
    exempted = [each for each in connections if is_one_of(each.address, exempt)]
    kept = [each for each in connections if not is_one_of(each.address, exempt)]
    found: list[Connection] = []
    for level, factor in enumerate(_FACTORS):
        kept, surplus = _split(kept, level, bounds.of_one * factor)
        found += surplus
    return found + sorted(kept + exempted, key=attrgetter("silent"))[bounds.together :]


def _split(connections: list[Connection], level: int, most: int) -> tuple[list[Connection], list[Connection]]:
    """The connections within and beyond the bound of each network of this level; those that are silent go first."""
    kept: list[Connection] = []
    beyond: list[Connection] = []
    by_network: defaultdict[str, list[Connection]] = defaultdict(list)
    for each in connections:
        networks = networks_of(each.address)
        if level < len(networks):
            by_network[networks[level]].append(each)
        else:
            kept.append(each)
    for each_of_one in by_network.values():
        each_of_one.sort(key=attrgetter("silent"))
        kept += each_of_one[:most]
        beyond += each_of_one[most:]
    return kept, beyond


def _connection(descriptor: int, port: int, *, above: int) -> Connection | None:
    """What this descriptor is, if it is a connection to this port; it is held ``above`` all that are looked at."""
    held = _tcp_socket(descriptor, port, above=above)
    if held is None:
        return None
    try:
        address = held.getpeername()[0]
        info = _tcp_info(held)
        if info[0] in _OPEN:
            return Connection(held, address, silent=info[-1])
    except OSError:
        # One that listens has no peer, one that ended has none any more.
        pass
    held.close()
    return None


def _tcp_socket(descriptor: int, port: int, *, above: int = 0) -> socket.socket | None:
    """A second hold on this descriptor, if it is a socket of TCP with this port."""
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return None
        held = socket.socket(fileno=fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, above + 1))
    except OSError:
        # Closed meanwhile, or there is no descriptor left: then those that were found have to do.
        return None
    try:
        if (
            held.family in (socket.AF_INET, socket.AF_INET6)
            and held.type == socket.SOCK_STREAM
            and held.getsockname()[1] == port
        ):
            return held
    except OSError:
        pass
    held.close()
    return None


def _tcp_info(held: socket.socket) -> tuple[int, ...]:
    return _TCP_INFO.unpack(held.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size))
