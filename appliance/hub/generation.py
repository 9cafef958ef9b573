"""The generation of a namespace's nftables: a number that each transaction raises by one, whoever makes it.

Comparing it with the one that our own last transaction left tells in microseconds whether anyone else changed
anything, where listing a large ruleset takes tens of milliseconds. Source: <linux/netfilter/nf_tables.h>,
NFT_MSG_GETGEN; nft(8), `monitor`.
"""

from __future__ import annotations

import os
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from appliance.hub import namespace
from appliance.hub.descriptors import raised
from appliance.hub.errors import RulesetError

_NLMSGHDR = struct.Struct("=IHHII")
_NFGENMSG = struct.Struct("!BBH")
_ATTRIBUTE = struct.Struct("=HH")
_NETFILTER = 12  # NETLINK_NETFILTER
_SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
_NEW_GENERATION = _SUBSYSTEM << 8 | 15
_GET_GENERATION = _SUBSYSTEM << 8 | 16
_REQUEST = 1
_ID = 1  # NFTA_GEN_ID
_TIMEOUT = 2.0


class Generations:
    """Asks the kernel. One thread at a time asks about one namespace.

    Sockets are kept: closing one waits until the kernel has freed what the last transaction replaced, 5 to 25 ms. An
    open one keeps its namespace alive, so `forget` comes before the namespace is removed.
    """

    def __init__(self) -> None:
        self._open: dict[str, socket.socket] = {}

    def current(self, name: str) -> int:
        """The generation of the namespace of that name.

        Raises:
            RulesetError: the kernel did not tell.
            NamespaceError: there is no such namespace.
        """
        connection = self._open.get(name)
        if connection is None:
            with namespace.entered(name):
                low = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER)
                connection = socket.socket(fileno=raised(low.detach()))
            connection.settimeout(_TIMEOUT)
            self._open[name] = connection
        body = _NFGENMSG.pack(0, 0, 0)
        try:
            connection.send(_NLMSGHDR.pack(_NLMSGHDR.size + len(body), _GET_GENERATION, _REQUEST, 1, 0) + body)
            return _read(connection.recv(4096))
        except OSError as error:
            # A late answer must not be taken for that to the next question.
            self.forget(name)
            raise RulesetError(f"the generation of {name} can't be read: {error}") from error

    def forget(self, name: str) -> None:
        """Closes what is open in that namespace."""
        connection = self._open.pop(name, None)
        if connection is not None:
            connection.close()


def _read(message: bytes) -> int:
    _, kind, _, _, _ = _NLMSGHDR.unpack_from(message)
    if kind == _NEW_GENERATION:
        at = _NLMSGHDR.size + _NFGENMSG.size
        while at + _ATTRIBUTE.size <= len(message):
            length, attribute = _ATTRIBUTE.unpack_from(message, at)
            if attribute == _ID:
                return int.from_bytes(message[at + _ATTRIBUTE.size : at + length], "big")
            at += max(4, (length + 3) & ~3)
    raise RulesetError("the kernel answered with something else than a generation")


@dataclass(frozen=True)
class Entry:
    """What a transaction of ours leaves.

    Attributes:
        generation: the namespace's, if nobody but us changed anything.
        fingerprint: of the ruleset (`Ruleset.fingerprint`).
    """

    generation: int
    fingerprint: str


class Ledger:
    """What our own transactions left, by namespace; it outlives this process, not the boot.

    Args:
        folder: on a file system that a boot empties, as the kernel's rules are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def note(self, name: str, entry: Entry) -> None:
        """What the transaction will leave that is made next."""
        descriptor = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Of one length, so that a write that is cut off never leaves half a line.
            os.pwrite(descriptor, f"{entry.generation:010d} {entry.fingerprint}".encode(), 0)
        finally:
            os.close(descriptor)

    def noted(self, name: str) -> Entry | None:
        """What `note` was told last; None if nothing was."""
        try:
            generation, fingerprint = (self._folder / name).read_text().split()
            return Entry(int(generation), fingerprint)
        except (FileNotFoundError, ValueError):
            return None

    def forget(self, name: str) -> None:
        """The namespace is gone."""
        with suppress(FileNotFoundError):
            (self._folder / name).unlink()

    def close(self) -> None:
        """Nothing is left of it, if every namespace was forgotten."""
        with suppress(OSError):
            self._folder.rmdir()
