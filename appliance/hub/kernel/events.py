"""Events of changes in namespaces, and of ended processes.

Each namespace has two netlink sockets, opened in it, and each userspace WireGuard a pidfd; one thread waits for all of
them. Another one waits for changes of mounts, and looks for namespaces that have lost their names. An event says that
something changed, not what: its receiver looks for itself.

Source: rtnetlink(7), <linux/netfilter/nfnetlink.h>, pidfd_open(2).
"""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum

from appliance.hub.kernel import namespace
from appliance.hub.kernel.descriptors import moved_high
from appliance.hub.kernel.mounts import MountWatch

_NETFILTER = 12  # NETLINK_NETFILTER
_SOL_NETLINK, _ADD_MEMBERSHIP, _NO_ENOBUFS = 270, 1, 5
# RTNLGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV4_RULE, _IPV4_NETCONF; _IPV6_IFADDR tells of IPv6 that was switched on.
_ROUTING = (1, 5, 7, 8, 9, 24)
_RULES = (7,)  # NFNLGRP_NFTABLES
_MOST_AT_ONCE = 64


class NamespaceEvent(Enum):
    """Kind of change."""

    RULES = "rules"
    """A transaction of nftables, but for those within `Watcher.own_change`."""
    MACHINES = "machines"
    """A machine was heard from at a new endpoint."""
    ANYTHING = "anything"
    """A change of links, addresses, routes, settings, the namespace's name, or the process that serves the link."""


OnEvent = Callable[[str, NamespaceEvent], None]


@dataclass
class _Watched:
    descriptors: dict[int, NamespaceEvent]
    name: str
    namespace: int | None
    closing: ExitStack = field(repr=False)


class Watcher:
    """Watches namespaces for events.

    Args:
        on_event: called by the waiting thread with the namespace's owner and the kind of change; must be quick.
    """

    def __init__(self, on_event: OnEvent) -> None:
        self._on_event = on_event
        self._watched: dict[str, _Watched] = {}
        self._owners: dict[int, tuple[str, NamespaceEvent]] = {}
        self._lock = threading.Lock()
        self._epoll = select.epoll()
        self._wake, self._waker = socket.socketpair()
        self._epoll.register(self._wake, select.EPOLLIN)
        self._thread = threading.Thread(target=self._wait, name="hub-events", daemon=True)
        self._thread.start()
        self._mounts = MountWatch(self._look_for_names)

    def watch(self, owner: str, name: str, process: int | None) -> None:
        """Report changes in the namespace of that name as the owner's.

        A namespace that is already watched for the owner stays the watched one until `forget`, because its name may
        have been given to another meanwhile.

        Args:
            process: id of a process whose end is reported too, in place of an earlier one.

        Raises:
            NamespaceError: there is no such namespace.
        """
        with ExitStack() as stack:
            before = self.namespace_of(owner)
            home = moved_high(namespace.descriptor_of(name) if before is None else os.dup(before))
            stack.callback(os.close, home)
            with namespace.inside(home):
                routing = stack.enter_context(_listener(socket.NETLINK_ROUTE, _ROUTING))
                rules = stack.enter_context(_listener(_NETFILTER, _RULES))
            descriptors = {routing.fileno(): NamespaceEvent.ANYTHING, rules.fileno(): NamespaceEvent.RULES}
            if process is not None:
                # A process that has already ended counts as an event.
                try:
                    ended = moved_high(os.pidfd_open(process))
                except OSError:
                    self._on_event(owner, NamespaceEvent.ANYTHING)
                else:
                    stack.callback(os.close, ended)
                    descriptors[ended] = NamespaceEvent.ANYTHING
            self._add(owner, _Watched(descriptors, name, home, stack.pop_all()))

    def watch_rules_here(self, owner: str) -> None:
        """Report changes of the rules in the caller's namespace as the owner's."""
        with ExitStack() as stack:
            rules = stack.enter_context(_listener(_NETFILTER, _RULES))
            self._add(owner, _Watched({rules.fileno(): NamespaceEvent.RULES}, "", None, stack.pop_all()))

    def _add(self, owner: str, fresh: _Watched) -> None:
        self.forget(owner)
        with self._lock:
            self._watched[owner] = fresh
            for descriptor, event in fresh.descriptors.items():
                self._owners[descriptor] = (owner, event)
                self._epoll.register(descriptor, select.EPOLLIN)

    def namespace_of(self, owner: str) -> int | None:
        """Descriptor of the namespace that is watched for that owner; this object closes it."""
        found = self._watched.get(owner)
        return None if found is None else found.namespace

    @contextmanager
    def own_change(self, owner: str) -> Iterator[Callable[[], None]]:
        """Report no event for a transaction of nftables that the block makes in the owner's namespace.

        The block calls the function that it gets after its transaction, and reads the generation after that. So a
        change by others is either seen in the generation, or reported when the block has ended. A block that raises is
        reported in each case. The owner must not be watched anew or forgotten meanwhile.
        """
        with self._lock:
            rules = self._rules_of(owner)
            for descriptor in rules:
                self._epoll.unregister(descriptor)
        try:
            yield lambda: self._discard(rules)
        except BaseException:
            self._on_event(owner, NamespaceEvent.RULES)
            raise
        finally:
            with self._lock:
                for descriptor in rules:
                    if descriptor in self._owners:
                        self._epoll.register(descriptor, select.EPOLLIN)

    def _rules_of(self, owner: str) -> tuple[int, ...]:
        """Descriptors that tell of transactions in the owner's namespace: one, or none if it is not watched."""
        found = self._watched.get(owner)
        heard = () if found is None else found.descriptors
        return tuple(each for each in heard if self._owners.get(each) == (owner, NamespaceEvent.RULES))

    def _discard(self, descriptors: tuple[int, ...]) -> None:
        with self._lock:
            for descriptor in descriptors:
                if descriptor in self._owners:
                    _emptied(descriptor)

    def forget(self, owner: str) -> None:
        """Stop watching for an owner, and close all that keeps the namespace alive."""
        with self._lock:
            found = self._watched.pop(owner, None)
            if found is None:
                return
            for descriptor in found.descriptors:
                self._drop(descriptor)
            found.closing.close()

    def close(self) -> None:
        self._mounts.close()
        self._waker.send(b"x")
        self._thread.join()
        for owner in list(self._watched):
            self.forget(owner)
        self._epoll.close()
        self._wake.close()
        self._waker.close()

    def _wait(self) -> None:
        while True:
            for descriptor, _ in self._epoll.poll(maxevents=_MOST_AT_ONCE):
                if descriptor == self._wake.fileno():
                    return
                with self._lock:
                    found = self._owners.get(descriptor)
                    if found is None:
                        continue
                    if not _emptied(descriptor):
                        self._drop(descriptor)
                self._on_event(*found)

    def _look_for_names(self) -> None:
        for owner in list(self._watched):
            with self._lock:
                found = self._watched.get(owner)
                if found is None or found.namespace is None or namespace.leads_to(found.name, found.namespace):
                    continue
            self._on_event(owner, NamespaceEvent.ANYTHING)

    def _drop(self, descriptor: int) -> None:
        self._owners.pop(descriptor, None)
        with suppress(OSError):
            self._epoll.unregister(descriptor)


def _listener(protocol: int, groups: tuple[int, ...]) -> socket.socket:
    low = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol)
    made = socket.socket(fileno=moved_high(low.detach()))
    # Bound first: groups that are joined before hear nothing.
    made.bind((0, 0))
    # Lost events need no report: one event is enough for a look.
    made.setsockopt(_SOL_NETLINK, _NO_ENOBUFS, 1)
    for group in groups:
        made.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
    return made


def _emptied(descriptor: int) -> bool:
    """Discard all waiting messages; False for a pidfd, which has none and stays readable."""
    try:
        while os.read(descriptor, 65536):
            pass
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
