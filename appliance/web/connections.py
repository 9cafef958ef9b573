"""Limits on the connections of one address, and of all addresses together.

The server accepts every connection, and ends silent ones, but does not count by address. So this module lists the
sockets of the process and ends connections beyond the limits.
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
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import structlog

from appliance.model.addresses import Network
from appliance.web.network_allowance import EVERYBODY, LEVELS
from appliance.web.proxies import is_one_of, networks_of

log = structlog.get_logger()

MOST_OF_ONE_ADDRESS = 64
MOST = 4096
_PAUSE = 0.5
_DESCRIPTORS = Path("/proc/self/fd")
# struct tcp_info (linux/tcp.h) as far as tcpi_last_data_recv, in milliseconds.
_TCP_INFO = struct.Struct("@8B12I")
# Established, or closed by the other side alone; a connection that was closed here is ending already.
_OPEN = (1, 8)
# For an address, a /56 and a /48.
_FACTORS = (1, 2, 4)
_FIRST = 64
LONGEST_UNREAD_S = 30.0
"""Seconds after which an answer that the client does not read ends the connection."""


@dataclass(frozen=True)
class ConnectionLimits:
    """Most connections that are kept.

    Attributes:
        of_one: of an IPv4 address or an IPv6 /64; a /56 has twice as many, a /48 four times.
        together: of all addresses.
    """

    of_one: int = MOST_OF_ONE_ADDRESS
    together: int = MOST


@dataclass(frozen=True)
class Connection:
    """A client's connection.

    Attributes:
        socket: duplicate of the server's socket, so that its descriptor can't come to mean another connection.
        address: the client's.
        silent: milliseconds since the client sent anything.
    """

    socket: socket.socket
    address: str
    silent: int


@dataclass(frozen=True)
class Surplus:
    """A connection that is to end.

    Attributes:
        level: level of the limit that it is beyond.
        network: address or network at this level; `EVERYBODY` for all of them.
    """

    connection: Connection
    level: str
    network: str


def allow_many() -> None:
    """Raise this process's limit of open files as far as possible, since each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def watch(
    port: int,
    exempt: Sequence[Network],
    stopped: threading.Event,
    note: Callable[[str, str], None],
    bounds: ConnectionLimits | None = None,
    unread_seconds: float = LONGEST_UNREAD_S,
) -> None:
    """Keep this process's connections within the limits until stopped.

    Args:
        port: the port that the process listens on.
        exempt: ranges whose addresses are limited only together with all others.
        stopped: set to stop.
        note: is told level and network of each connection that was ended beyond a limit.
        bounds: the limits; None for the defaults.
        unread_seconds: time after which a connection is ended whose other side reads nothing.
    """
    bounds = bounds or ConnectionLimits()
    # Kept in reserve, so that connections can be listed after clients have used up every other descriptor.
    spare = _spare()
    while not stopped.wait(_PAUSE):
        spare.close()
        try:
            end_unread(port, unread_seconds)
            for each in trim(port, exempt, bounds):
                note(each.level, each.network)
        except OSError as error:
            # Even the spare descriptor was not free; the next round may find one.
            log.error("connections can't be listed now", error=str(error))
        spare = _spare()
    spare.close()


def _spare() -> ExitStack:
    """Open a spare descriptor, if one is left."""
    held = ExitStack()
    with suppress(OSError):
        held.callback(os.close, os.open(os.devnull, os.O_RDONLY))
    return held


def end_unread(port: int, seconds: float, first: int = _FIRST) -> None:
    """Have the kernel end connections whose client reads nothing of an answer for so long (TCP_USER_TIMEOUT, tcp(7)).

    Connections inherit the option from the listening socket, which is among the first descriptors. The server may open
    it late, so this is called repeatedly, and also sets the option on the first connections.

    Args:
        first: number of descriptors to look at.
    """
    for descriptor in range(first):
        held = _tcp_socket(descriptor, port)
        if held is not None:
            with held:
                held.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * seconds))


def trim(port: int, exempt: Sequence[Network], bounds: ConnectionLimits) -> list[Surplus]:
    """End the connections beyond the limits, and list them."""
    descriptors = [int(each.name) for each in _DESCRIPTORS.iterdir()]
    if len(descriptors) <= min(bounds.of_one, bounds.together):
        return []
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
                each.connection.socket.shutdown(socket.SHUT_RDWR)
        return ending


def beyond(connections: Sequence[Connection], exempt: Sequence[Network], bounds: ConnectionLimits) -> list[Surplus]:
    """List the connections to end: those beyond the limits of an address, a network or altogether, silent ones first.

    Args:
        exempt: ranges whose addresses are limited only together with all others.
    """
    exempted = [each for each in connections if is_one_of(each.address, exempt)]
    kept = [each for each in connections if not is_one_of(each.address, exempt)]
    found: list[Surplus] = []
    for level, factor in enumerate(_FACTORS):
        kept, surplus = _split(kept, level, bounds.of_one * factor)
        found += surplus
    left = sorted(kept + exempted, key=attrgetter("silent"))[bounds.together :]
    return found + [Surplus(each, EVERYBODY, EVERYBODY) for each in left]


def _split(connections: list[Connection], level: int, most: int) -> tuple[list[Connection], list[Surplus]]:
    """Split connections into those within and beyond the limit of each network of this level."""
    kept: list[Connection] = []
    beyond: list[Surplus] = []
    by_network: defaultdict[str, list[Connection]] = defaultdict(list)
    for each in connections:
        networks = networks_of(each.address)
        if level < len(networks):
            by_network[networks[level]].append(each)
        else:
            kept.append(each)
    for network, each_of_one in by_network.items():
        each_of_one.sort(key=attrgetter("silent"))
        kept += each_of_one[:most]
        beyond += (Surplus(each, LEVELS[level], network) for each in each_of_one[most:])
    return kept, beyond


def _connection(descriptor: int, port: int, *, above: int) -> Connection | None:
    """Open a descriptor as a connection to this port; None if it is none.

    Args:
        above: the duplicate's descriptor is higher than this.
    """
    held = _tcp_socket(descriptor, port, above=above)
    if held is None:
        return None
    try:
        address = held.getpeername()[0]
        info = _tcp_info(held)
        if info[0] in _OPEN:
            return Connection(held, address, silent=info[-1])
    except OSError:
        # A listening or closed socket has no peer.
        pass
    held.close()
    return None


def _tcp_socket(descriptor: int, port: int, *, above: int = 0) -> socket.socket | None:
    """Duplicate a descriptor if it is a TCP socket with this port."""
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return None
        held = socket.socket(fileno=fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, above + 1))
    except OSError:
        # Closed meanwhile, or no descriptor is left.
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
