"""The generation of a namespace's nftables: a number that each transaction raises by one, whoever makes it.

Comparing it with the one that our own last transaction left tells in microseconds whether anyone else changed
anything, where listing a large ruleset takes tens of milliseconds. Source: <linux/netfilter/nf_tables.h>,
NFT_MSG_GETGEN; nft(8), `monitor`.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from appliance.hub.errors import RulesetError
from appliance.hub.kernel import netlink
from appliance.hub.kernel.netlink import Message
from appliance.hub.kernel.sockets import NetfilterSockets

_GET_GENERATION = Message(netlink.NFTABLES | 16, socket.AF_UNSPEC)
_ID = 1  # NFTA_GEN_ID


def current(sockets: NetfilterSockets, name: str) -> int:
    """The generation of the namespace of that name.

    Raises:
        RulesetError: the kernel did not tell.
        NamespaceError: there is no such namespace.
    """
    answer = sockets.ask(name, _GET_GENERATION)
    found = None if answer is None else dict(netlink.attributes(answer)).get(_ID)
    if found is None:
        raise RulesetError("the kernel answered with something else than a generation")
    return int.from_bytes(found, "big")


@dataclass(frozen=True)
class LedgerEntry:
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

    def note(self, name: str, entry: LedgerEntry) -> None:
        """What the transaction will leave that is made next."""
        descriptor = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Of one length, so that a write that is cut off never leaves half a line.
            os.pwrite(descriptor, f"{entry.generation:010d} {entry.fingerprint}".encode(), 0)
        finally:
            os.close(descriptor)

    def noted(self, name: str) -> LedgerEntry | None:
        """What `note` was told last; None if nothing was."""
        try:
            generation, fingerprint = (self._folder / name).read_text().split()
            return LedgerEntry(int(generation), fingerprint)
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
