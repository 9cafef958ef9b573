"""Netfilter sockets that stay open, one in each namespace.

Closing such a socket waits until the kernel has freed what the last transaction replaced, 5 to 25 ms. An open one keeps
its namespace alive, so `forget` comes before the namespace is removed.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Iterator, Sequence

from appliance.hub.errors import RulesetError
from appliance.hub.kernel import namespace, netlink
from appliance.hub.kernel.descriptors import moved_high
from appliance.hub.kernel.netlink import KernelRefusal, Message

_TIMEOUT = 2.0


class NetfilterSockets:
    """Requests to the netfilter of named namespaces; only one thread at a time may use one namespace.

    Raises:
        RulesetError: (every method but `forget`) the kernel refused, or did not answer.
        NamespaceError: (every method but `forget`) there is no such namespace.
    """

    def __init__(self) -> None:
        self._open: dict[str, socket.socket] = {}

    def ask(self, name: str, message: Message) -> bytes | None:
        """Return the attributes of the answer to one request; None if the answer is an error."""
        connection = self._connection(name)
        try:
            return netlink.answer(connection, message)
        except OSError as error:
            # A late answer must not be taken for that to the next request.
            self.forget(name)
            raise RulesetError(f"the rules of {name} can't be read: {error}") from error

    def dump(self, name: str, message: Message) -> Iterator[bytes]:
        """Yield the attributes of each listed object; the list ends at an error of the kernel."""
        connection = self._connection(name)
        try:
            yield from netlink.answers(connection, message)
        except KernelRefusal:
            return
        except OSError as error:
            self.forget(name)
            raise RulesetError(f"a list in {name} can't be read: {error}") from error

    def change(self, name: str, messages: Sequence[Message]) -> None:
        """Make one transaction of nftables: all of it takes effect, or none."""
        connection = self._connection(name)
        try:
            error = next(netlink.complaints(connection, messages, batch=netlink.NFTABLES), 0)
        except OSError as complaint:
            self.forget(name)
            raise RulesetError(f"the rules of {name} can't be changed: {complaint}") from complaint
        if error:
            self.forget(name)
            raise RulesetError(f"the kernel refused to change the rules of {name}: {os.strerror(error)}")

    def change_each(self, name: str, messages: Sequence[Message], accepted: Collection[int] = ()) -> None:
        """Make one change after the other, each of which takes effect or not.

        Args:
            accepted: error numbers to ignore.
        """
        connection = self._connection(name)
        try:
            codes = set(netlink.complaints(connection, messages))
        except OSError as complaint:
            self.forget(name)
            raise RulesetError(f"nothing can be changed in {name}: {complaint}") from complaint
        if refused := codes.difference(accepted):
            raise RulesetError(f"the kernel refused a change in {name}: {os.strerror(min(refused))}")

    def forget(self, name: str) -> None:
        """Close the socket of that namespace."""
        connection = self._open.pop(name, None)
        if connection is not None:
            connection.close()

    def _connection(self, name: str) -> socket.socket:
        connection = self._open.get(name)
        if connection is None:
            with namespace.entered(name):
                connection = socket.socket(fileno=moved_high(netlink.opened().detach()))
            connection.settimeout(_TIMEOUT)
            self._open[name] = connection
        return connection
