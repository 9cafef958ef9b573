"""Client machines in pairs; each pair serves one organization after another."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from harness.world.world import World
from netlab import LabHost, wg_quick


@dataclass(frozen=True)
class ClientPair:
    """Two machines on the underlay network.

    Attributes:
        wg_quick_slots: bounds how many pairs run wg-quick at once. It starts a dozen programs, and more than there are
            processors only wait for each other.
    """

    first: LabHost
    second: LabHost
    wg_quick_slots: threading.Semaphore

    @property
    def hosts(self) -> tuple[LabHost, LabHost]:
        return self.first, self.second

    @contextmanager
    def connected(self, configs: Sequence[str], link: str) -> Iterator[None]:
        """Brings up a tunnel on each machine with stock wg-quick, and deletes both when the block ends.

        Args:
            configs: wg-quick text for each machine.
            link: name of the interface, new for this pair: the program behind an earlier link may not have ended yet.

        Raises:
            NetlabError: wg-quick failed.
        """
        connected = []
        try:
            with self.wg_quick_slots:
                for host, text in zip(self.hosts, configs, strict=True):
                    wg_quick(host, text, f"{link}.conf")
                    connected.append(host)
            yield
        finally:
            for host in connected:
                # Addresses and routes go with the link, and userspace WireGuard ends without it.
                host.netlink.delete_link(link)


def client_pairs(world: World, count: int) -> list[ClientPair]:
    """Makes ``count`` pairs of machines on the underlay network."""
    wg_quick_slots = threading.Semaphore(os.cpu_count() or 1)
    return [ClientPair(world.client("first"), world.client("second"), wg_quick_slots) for _ in range(count)]
