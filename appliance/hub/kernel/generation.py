"""Generation of a namespace's nftables: a number that every transaction raises by one.

A comparison with the generation after our own last transaction tells in microseconds whether anyone else changed
anything; a list of a large ruleset takes tens of milliseconds.

Source: nft(8), `monitor`.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from appliance.hub.errors import RulesetError
from appliance.hub.kernel import netlink
from appliance.hub.kernel.nf_tables import GENERATION_ID, GET_GENERATION
from appliance.hub.kernel.sockets import NetfilterSockets


def current(sockets: NetfilterSockets, name: str) -> int:
    """Read the generation of the namespace of that name.

    Raises:
        RulesetError: the kernel did not answer.
        NamespaceError: there is no such namespace.
    """
    answer = sockets.ask(name, GET_GENERATION)
    found = None if answer is None else dict(netlink.attributes(answer)).get(GENERATION_ID)
    if found is None:
        raise RulesetError("the kernel answered with something else than a generation")
    return int.from_bytes(found, "big")


@dataclass(frozen=True)
class LedgerEntry:
    """Result of one of our transactions.

    Attributes:
        generation: generation of the namespace, if nobody else changed anything.
        fingerprint: fingerprint of the ruleset in force (`Ruleset.fingerprint`).
    """

    generation: int
    fingerprint: str


class Ledger:
    """Results of our own transactions, by namespace, in files that outlive this process but not the boot.

    Args:
        folder: a folder on a file system that a boot empties, like the kernel's rules.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def note(self, name: str, entry: LedgerEntry) -> None:
        """Note the expected result of the next transaction."""
        descriptor = os.open(f"{self._folder}/{name}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Entries have one length, so that an interrupted write never leaves half a line.
            os.pwrite(descriptor, f"{entry.generation:010d} {entry.fingerprint}".encode(), 0)
        finally:
            os.close(descriptor)

    def noted(self, name: str) -> LedgerEntry | None:
        """Read the last entry of `note`; None if there is none."""
        try:
            generation, fingerprint = (self._folder / name).read_text().split()
            return LedgerEntry(int(generation), fingerprint)
        except (FileNotFoundError, ValueError):
            return None

    def forget(self, name: str) -> None:
        """Delete the entry of a removed namespace."""
        with suppress(FileNotFoundError):
            (self._folder / name).unlink()

    def close(self) -> None:
        """Remove the folder, if every namespace was forgotten."""
        with suppress(OSError):
            self._folder.rmdir()
