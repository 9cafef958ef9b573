"""Attempts, their targets, and how they tell what stopped them."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

libc = ctypes.CDLL(None, use_errno=True)
"""The C library, whose calls leave their error where `check` finds it."""


@dataclass(frozen=True)
class Targets:
    """Targets of the attempts.

    Attributes:
        processes: ids of root's and WireGuard's processes, by what they are.
        data: the data folder.
        secret: the file of the unlock secret.
        hub: the hub's socket.
        organization: an organization's id, whose namespace and link have this ``place`` for a name.
        state: the organization's desired state, encoded.
        revision: the state's.
        ports: UDP ports of the service.
        words: what nobody but root may know, backwards, so that this alone brings none of them into a memory.
    """

    processes: Mapping[str, int]
    data: str
    secret: str
    hub: str
    organization: str
    place: str
    state: bytes
    revision: int
    ports: tuple[int, ...]
    words: tuple[str, ...]


Attempt = Callable[[Targets], object]


def check(result: int) -> int:
    """Raises the error of a failed call of the C library."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def stopped(reason: str) -> OSError:
    """Returns the error of an attempt that no call has refused."""
    return OSError(errno.EACCES, reason)
