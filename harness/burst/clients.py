"""Machines of customers, in pairs that serve one organization after the other."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from harness.world.world import World
from netlab import LabHost, wg_quick


@dataclass(frozen=True)
class Pair:
    """Two machines on the underlay.

    Attributes:
        starting: of how many pairs wg-quick may be at work at once. It is a dozen programs; more of them than there are
            processors only wait for each other.
    """

    first: LabHost
    second: LabHost
    starting: threading.Semaphore

    @property
    def hosts(self) -> tuple[LabHost, LabHost]:
        """Both."""
        return self.first, self.second

    @contextmanager
    def connected(self, configs: Sequence[str], link: str) -> Iterator[None]:
        """Has stock wg-quick bring a tunnel up on each; they are gone again when ``with`` ends.

        Args:
            configs: the text for each.
            link: a name that the pair has not used before: the program that served the last link may still be about to
                end.

        Raises:
            NetlabError: wg-quick failed.
        """
        connected = []
        try:
            with self.starting:
                for host, text in zip(self.hosts, configs, strict=True):
                    wg_quick(host, text, f"{link}.conf")
                    connected.append(host)
            yield
        finally:
            for host in connected:
                # Its addresses and routes go with the link, and userspace WireGuard ends without one.
                host.netlink.delete_link(link)


def pairs(world: World, count: int) -> list[Pair]:
    """So many of them."""
    starting = threading.Semaphore(os.cpu_count() or 1)
    return [Pair(world.client("first"), world.client("second"), starting) for _ in range(count)]
