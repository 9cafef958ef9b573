"""A way out of a sandbox's network: a process that stays outside, and opens sockets there for whoever is inside.

A socket stays in the network namespace that it was made in, and works wherever its descriptor is handed to.
"""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress

_LONGEST = 1024
_TIMEOUT = 10.0


class Outward:
    """The inside's end. Any thread and any process that has the descriptor may use it.

    Args:
        descriptor: as `start` returned it.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def connect(self, kind: socket.SocketKind, host: str, port: int) -> socket.socket:
        """A socket of the outside that is connected.

        Args:
            kind: ``SOCK_STREAM`` or ``SOCK_DGRAM``.
            host: a name, which the outside resolves, or an address.

        Raises:
            OSError: it can't be had.
        """
        asked = json.dumps([int(kind), host, port]).encode()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs, socket.socket(fileno=os.dup(self.descriptor)) as requests:
            # Each request brings the socket along that its answer goes to: others ask at the same time.
            socket.send_fds(requests, [asked], [theirs.fileno()])
            theirs.close()
            ours.settimeout(2 * _TIMEOUT)
            answer, descriptors, _, _ = socket.recv_fds(ours, _LONGEST, 1)
        if not descriptors:
            raise OSError(answer.decode() or "the process outside has ended")
        return socket.socket(fileno=descriptors[0])


def start() -> int:
    """Forks the process that stays in the caller's network, until nobody has the descriptor any more.

    Returns:
        The descriptor for `Outward`, which programs that this process becomes inherit.
    """
    inside, outside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        inside.close()
        try:
            _serve(outside)
        finally:
            os._exit(0)
    outside.close()
    inside.set_inheritable(True)
    return inside.detach()


def _serve(requests: socket.socket) -> None:
    while True:
        asked, descriptors, _, _ = socket.recv_fds(requests, _LONGEST, 1)
        if not asked:
            return
        with socket.socket(fileno=descriptors[0]) as answer, suppress(OSError):
            try:
                with _connected(*json.loads(asked)) as made:
                    socket.send_fds(answer, [b"+"], [made.fileno()])
            except OSError as error:
                answer.send(str(error).encode()[:_LONGEST] or b"it can't be connected")


def _connected(kind: int, host: str, port: int) -> socket.socket:
    family, _, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SocketKind(kind))[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.settimeout(_TIMEOUT)
        made.connect(address)
        made.settimeout(None)
    except BaseException:
        made.close()
        raise
    return made
