"""Sources that WireGuard has answered, and that have therefore authenticated themselves."""

from __future__ import annotations

import struct
from socket import AF_INET, AF_INET6, inet_pton

from appliance.hub.front_door.datagram import Arrival
from appliance.hub.front_door.memory import KNOWN4, LINKS6
from appliance.hub.front_door.netfilter import TableReader


class KnownSources:
    """Look up known sources in the door's table, in the network namespace of the thread that makes this object.

    The table outlives this process. Nothing is cached here, so nobody can fill a cache.
    """

    def __init__(self, table: str) -> None:
        self._reader = TableReader(table)

    def close(self) -> None:
        self._reader.close()

    def link_of(self, arrival: Arrival) -> int | None:
        """Find the inner port of the link that the sender is known to; None if there is none, or no table.

        Raises:
            DoorError: the kernel refused the lookup.
        """
        address, port = arrival.source
        if arrival.version == 6:
            return self._reader.port_of(LINKS6.name, inet_pton(AF_INET6, address.partition("%")[0]))
        # The parts of a key take up whole words.
        return self._reader.port_of(KNOWN4.name, inet_pton(AF_INET, address) + struct.pack("!Hxx", port))
