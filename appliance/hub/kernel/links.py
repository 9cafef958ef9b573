"""Links of every WireGuard implementation: found, brought up, moved between namespaces, deleted; by netlink."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from appliance.hub.errors import LinkError, NamespaceError, reason
from appliance.hub.kernel import namespace
from appliance.hub.kernel.rtnetlink import RouteSocket
from appliance.hub.names import KernelNames
from appliance.model.configuration import MTU


def set_up(link: str) -> None:
    """Bring a link of the calling thread's namespace up."""
    try:
        with RouteSocket() as netlink:
            netlink.set_up(index(link), MTU)
    except OSError as error:
        raise LinkError(f"link {link} can't be brought up: {reason(error)}") from error


def move(names: KernelNames) -> None:
    """Move the link from the calling thread's namespace into its organization's."""
    try:
        there = namespace.descriptor_of(names.namespace)
        try:
            with RouteSocket() as netlink:
                netlink.move(index(names.link), there)
        finally:
            os.close(there)
    except OSError as error:
        raise LinkError(f"link {names.link} can't be moved into its namespace: {reason(error)}") from error


def is_in(names: KernelNames) -> bool:
    """Tell whether the link is in its organization's namespace."""
    try:
        with namespace.entered(names.namespace):
            return is_here(names.link)
    except NamespaceError:
        return False


def names() -> tuple[str, ...]:
    """Names of the links in the calling thread's namespace, without ``lo``."""
    try:
        with RouteSocket() as netlink:
            return tuple(sorted(link.name for link in netlink.links() if link.name != "lo"))
    except OSError as error:
        raise LinkError(f"the links can't be listed: {reason(error)}") from error


def delete(names: KernelNames) -> bool:
    """Delete the link in its namespace and, if creation was interrupted, in the caller's; tell whether it was there."""
    found = False
    with suppress(NamespaceError), namespace.entered(names.namespace):
        found = delete_here(names.link)
    return delete_here(names.link) or found


def delete_here(link: str) -> bool:
    """Delete the link in the calling thread's namespace; tell whether it was there."""
    if not is_here(link):
        return False
    with suppress(OSError, LinkError), RouteSocket() as netlink:
        netlink.delete_link(index(link))
    return True


def is_here(link: str) -> bool:
    """Tell whether the link is in the calling thread's namespace."""
    try:
        socket.if_nametoindex(link)
    except OSError:
        return False
    return True


def index(link: str) -> int:
    """Index of a link in the calling thread's namespace.

    Raises:
        LinkError: there is no such link.
    """
    # One system call; a lookup by netlink is a millisecond of Python.
    try:
        return socket.if_nametoindex(link)
    except OSError as error:
        raise LinkError(f"there is no link {link}") from error
