"""Way out of a sandbox's network: a process outside that opens sockets for the processes inside.

A socket stays in the network namespace that it was made in, and works in every process that has its descriptor.
"""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress

_LONGEST = 1024
_TIMEOUT = 10.0


class Outward:
    """Client of the process outside. Any thread and any process that has the descriptor may use it.

    Args:
        descriptor: descriptor that `start` returned.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def connect(self, kind: socket.SocketKind, host: str, port: int) -> socket.socket:
        """Connects a socket in the network outside.

        Args:
            kind: ``SOCK_STREAM`` or ``SOCK_DGRAM``.
            host: an address, or a name that is resolved outside.

        Raises:
            OSError: the connection fails, or the process outside has ended.
        """
        request = json.dumps([int(kind), host, port]).encode()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs, socket.socket(fileno=os.dup(self.descriptor)) as requests:
            # Each request carries a socket for its answer, since several processes ask at the same time.
            socket.send_fds(requests, [request], [theirs.fileno()])
            theirs.close()
            ours.settimeout(2 * _TIMEOUT)
            answer, descriptors, _, _ = socket.recv_fds(ours, _LONGEST, 1)
        if not descriptors:
            raise OSError(answer.decode() or "the process outside has ended")
        return socket.socket(fileno=descriptors[0])


def start() -> int:
    """Forks the process that stays in the caller's network. It ends when nobody has the descriptor any more.

    Returns:
        The descriptor for `Outward`, which stays open in the program that this process executes.
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
        request, descriptors, _, _ = socket.recv_fds(requests, _LONGEST, 1)
        if not request:
            return
        with socket.socket(fileno=descriptors[0]) as answer, suppress(OSError):
            try:
                with _connected(*json.loads(request)) as made:
                    socket.send_fds(answer, [b"+"], [made.fileno()])
            except OSError as error:
                answer.send(str(error).encode()[:_LONGEST] or b"the connection failed")


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
