"""A gate before the front door that the kernel shuts by itself when the hub's lease ends.

A hub that is stopped or hangs can't shut anything. So an element of an nftables set,
which the kernel expires, keeps the gate open. The element is put in before the lease is renewed, with what the lease
will last at least. Only when the renewal is known to have succeeded does it count. Whenever this process is stopped in
between, and for however long, the element has been counting since before the renewal was asked for.

There are two such sets. One counts, and the next renewal uses the other.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

import nftables

from appliance.hub.front_door.netfilter import TableReader
from appliance.hub.front_door.rules import family_of
from appliance.hub.front_door.transactions import gone
from appliance.hub.kernel import nft

Address = IPv4Address | IPv6Address

CLOSED = "closed"
"""Counter of packets that found the gate shut."""

# The sets' only key, which all packets to and from the front door have: udp(7).
_UDP = 17
_SLOTS = (0, 1)
# Before the front door's table looks at a packet that comes in, and after it gave one that goes out its public port.
_BEFORE_THE_DOOR, _BEHIND_THE_DOOR = "raw - 10", "raw + 10"


def rules(table: str, address: Address, port: int) -> str:
    """Transaction that makes a table with the gate shut, and replaces one that there is: pure."""
    family = family_of(address)
    sets = "\n".join(
        f"    set offered{slot} {{ type inet_proto; flags timeout; }}\n    set counts{slot} {{ type inet_proto; }}"
        for slot in _SLOTS
    )
    judged = "\n".join(f"        meta l4proto @counts{slot} meta l4proto @offered{slot} accept" for slot in _SLOTS)
    return f"""
add table inet {table}
delete table inet {table}
table inet {table} {{
    counter {CLOSED} {{ }}
{sets}
    chain judge {{
{judged}
        counter name {CLOSED} drop
    }}
    chain enter {{
        type filter hook prerouting priority {_BEFORE_THE_DOOR}; policy accept;
        {family} daddr {address} udp dport {port} fib daddr type local goto judge
    }}
    chain leave {{
        type filter hook output priority {_BEHIND_THE_DOOR}; policy accept;
        {family} saddr {address} udp sport {port} goto judge
    }}
}}
"""


class LeaseGate:
    """The gate in the network namespace of the thread that makes this object; one thread at a time may use it.

    Args:
        table: name of its nftables table.
        address: the front door's only address. The gate judges what leaves from it even while the host lacks it, since
            links send before the address comes and after it has ended.
        port: the front door's public UDP port.

    Raises:
        RulesetError: (every method) the kernel refused.
    """

    def __init__(self, table: str, address: Address, port: int) -> None:
        self._table = table
        self._address = address
        self._port = port
        self._nftables: Any = nftables.Nftables()
        self._reader = TableReader(table)

    def put_up(self) -> None:
        """Make the gate, shut; a gate that an earlier process left is made anew."""
        self._load(rules(self._table, self._address, self._port))

    def is_up(self) -> bool:
        """Tell whether there is a gate, open or shut."""
        return bool(self._reader.shape())

    def has_been_opened(self) -> bool:
        """Tell whether it was opened since it was put up or shut; the time for which it was may be over."""
        return any(self._reader.has_element(f"counts{slot}", bytes([_UDP])) for slot in _SLOTS)

    def offer(self, seconds: float) -> None:
        """Have the kernel count this time for the gate, which stays as it is until `accept`.

        To be called before the renewal is asked for: then the count ends before the renewed lease does.
        """
        spare = f"offered{self._spare()}"
        self._load(
            f"flush set inet {self._table} {spare}\n"
            f"add element inet {self._table} {spare} {{ {_UDP} timeout {int(seconds * 1000)}ms }}\n"
        )

    def accept(self) -> None:
        """Keep the gate open for what is left of the time that was offered last."""
        spare = self._spare()
        self._load(
            f"flush set inet {self._table} counts{1 - spare}\n"
            f"add element inet {self._table} counts{spare} {{ {_UDP} }}\n"
        )

    def shut(self) -> None:
        """Shut the gate now."""
        self._load("".join(f"flush set inet {self._table} counts{slot}\n" for slot in _SLOTS))

    def turned_away(self) -> int:
        """Count the packets that found the gate shut."""
        return self._reader.counters().get(CLOSED, 0)

    def remove(self) -> None:
        """Remove the gate; the front door is then open as without one."""
        self._load(gone(self._table))

    def close(self) -> None:
        """Close the sockets; the gate stays, and shuts when the time that counts is over."""
        self._reader.close()
        self._nftables = None

    def _spare(self) -> int:
        """Slot that does not count at present."""
        return 1 if self._reader.has_element("counts0", bytes([_UDP])) else 0

    def _load(self, text: str) -> None:
        nft.run(self._nftables, text, "the lease's gate")
